package apigen

import (
	"bytes"
	"encoding/json"
)

// NewSource is a source as a caller gives it: a string, or an object where
// the kind shall not be guessed.
type NewSource struct {
	URI  string
	Kind SourceKind
}

type sourceObject struct {
	URI  string     `json:"uri"`
	Kind SourceKind `json:"kind,omitempty"`
}

// UnmarshalJSON reads both shapes.
func (s *NewSource) UnmarshalJSON(b []byte) error {
	if isString(b) {
		s.Kind = ""
		return json.Unmarshal(b, &s.URI)
	}
	return json.Unmarshal(b, (*sourceObject)(s))
}

// MarshalJSON writes the shorter shape that does.
func (s NewSource) MarshalJSON() ([]byte, error) {
	if s.Kind == "" {
		return json.Marshal(s.URI)
	}
	return json.Marshal(sourceObject(s))
}

// NewDestination is a destination as a caller gives it: a path, or an object
// where it shall be in another storage than the usual one.
type NewDestination struct {
	Storage string
	Path    string
}

type destinationObject struct {
	Storage string `json:"storage,omitempty"`
	Path    string `json:"path"`
}

// UnmarshalJSON reads both shapes.
func (d *NewDestination) UnmarshalJSON(b []byte) error {
	if isString(b) {
		d.Storage = ""
		return json.Unmarshal(b, &d.Path)
	}
	return json.Unmarshal(b, (*destinationObject)(d))
}

// MarshalJSON writes the shorter shape that does.
func (d NewDestination) MarshalJSON() ([]byte, error) {
	if d.Storage == "" {
		return json.Marshal(d.Path)
	}
	return json.Marshal(destinationObject(d))
}

func isString(b []byte) bool { return bytes.HasPrefix(b, []byte{'"'}) }

// FileSelection is which files a caller wants: nil Indexes want all. One that
// was not Given says nothing.
type FileSelection struct {
	Given   bool
	Indexes []int
}

// UnmarshalJSON reads a list, or null.
func (f *FileSelection) UnmarshalJSON(b []byte) error {
	f.Given, f.Indexes = true, nil
	return json.Unmarshal(b, &f.Indexes)
}

// MarshalJSON writes a list.
func (f FileSelection) MarshalJSON() ([]byte, error) {
	if f.Indexes == nil {
		return []byte("[]"), nil
	}
	return json.Marshal(f.Indexes)
}
