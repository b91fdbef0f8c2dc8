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

// FileSelection is which files a caller wants: indexes, patterns and bounds of
// size. Nil Items want all; one that was not Given says nothing.
type FileSelection struct {
	Given bool
	// Items are ints and strings; read from JSON, json.Number in place of int.
	Items []any
}

// UnmarshalJSON reads a list, or null.
func (f *FileSelection) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // a float64 would round an index that is too large
	f.Given, f.Items = true, nil
	return d.Decode(&f.Items)
}

// MarshalJSON writes a list, or null for all.
func (f FileSelection) MarshalJSON() ([]byte, error) {
	if len(f.Items) == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(f.Items)
}

// SeedChoice is a seeding policy that a caller gives: nil for Policy leaves it to
// the next in line. One that was not Given says nothing.
type SeedChoice struct {
	Given  bool
	Policy *SeedPolicy
}

type seedObject struct {
	Enabled     *bool   `json:"enabled"`
	Ratio       float64 `json:"ratio"`
	TimeSeconds int64   `json:"time_seconds"`
	IdleSeconds int64   `json:"idle_seconds"`
}

// UnmarshalJSON reads an object, or null.
func (s *SeedChoice) UnmarshalJSON(b []byte) error {
	var given *seedObject
	if err := json.Unmarshal(b, &given); err != nil {
		return err
	}
	s.Given, s.Policy = true, nil
	if given != nil {
		s.Policy = &SeedPolicy{
			Enabled: given.Enabled == nil || *given.Enabled, Ratio: given.Ratio,
			TimeSeconds: given.TimeSeconds, IdleSeconds: given.IdleSeconds,
		}
	}
	return nil
}

// MarshalJSON writes an object, or null.
func (s SeedChoice) MarshalJSON() ([]byte, error) { return json.Marshal(s.Policy) }
