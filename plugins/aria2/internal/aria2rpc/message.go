package aria2rpc

import (
	"encoding/json"
	"fmt"
)

// Call is one method with its parameters, without the secret, which the Client
// puts in front.
type Call struct {
	// Method is the full name, such as "aria2.tellStatus".
	Method string
	params json.RawMessage
	err    error
}

// NewCall returns a call. Parameters must be strings, numbers, or slices and
// maps of them; anything that JSON cannot hold makes the call fail when made.
func NewCall(method string, params ...any) Call {
	if params == nil {
		params = []any{}
	}
	b, err := json.Marshal(params)
	return Call{Method: method, params: b, err: err}
}

// size is about what the call takes in a request.
func (c Call) size() int { return len(c.params) + len(c.Method) + 128 }

// key is the same for calls that are the same.
func (c Call) key() string { return c.Method + string(c.params) }

// withSecret returns the parameters with the secret as the first.
func (c Call) withSecret(secret string) json.RawMessage {
	if secret == "" {
		return c.params
	}
	token, err := json.Marshal("token:" + secret)
	if err != nil { // a string always fits into JSON
		return c.params
	}
	out := make([]byte, 0, len(c.params)+len(token)+1)
	out = append(append(out, '['), token...)
	if len(c.params) > len("[]") {
		out = append(out, ',')
	}
	return append(out, c.params[1:]...)
}

type request struct {
	Version string          `json:"jsonrpc"`
	ID      string          `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

type innerCall struct {
	Method string          `json:"methodName"`
	Params json.RawMessage `json:"params"`
}

// multicall puts calls into one system.multicall; each carries the secret, the
// outer one takes none.
func multicall(secret string, calls []Call) (request, error) {
	inner := make([]innerCall, len(calls))
	for i, c := range calls {
		if c.err != nil {
			return request{}, fmt.Errorf("encode %s: %w", c.Method, c.err)
		}
		inner[i] = innerCall{Method: c.Method, Params: c.withSecret(secret)}
	}
	params, err := json.Marshal([][]innerCall{inner})
	if err != nil {
		return request{}, fmt.Errorf("encode system.multicall: %w", err)
	}
	return request{Version: "2.0", Method: "system.multicall", Params: params}, nil
}

// message is everything that aria2 sends: an answer, or a notification, which
// has a method and no id.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      string          `json:"id"`
	Method  string          `json:"method"`
	Params  []Event         `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   *Error          `json:"error"`
}

// Event is a notification about one download.
type Event struct {
	// Kind is one of the Event constants, or one that a later aria2 adds.
	Kind string `json:"-"`
	// GID is the download's.
	GID string `json:"gid"`
}

// The kinds of events.
const (
	EventStart      = "aria2.onDownloadStart"
	EventPause      = "aria2.onDownloadPause"
	EventStop       = "aria2.onDownloadStop"
	EventComplete   = "aria2.onDownloadComplete"
	EventError      = "aria2.onDownloadError"
	EventBtComplete = "aria2.onBtDownloadComplete"
)

// Result is what one call of several came to.
type Result struct {
	// Value is the JSON that the method returned.
	Value json.RawMessage
	// Err is an *Error where the method failed.
	Err error
}

// Decode stores the value in v, or returns the call's error.
func (r Result) Decode(v any) error {
	if r.Err != nil {
		return r.Err
	}
	if err := json.Unmarshal(r.Value, v); err != nil {
		return fmt.Errorf("decode aria2's answer: %w", err)
	}
	return nil
}

// results takes a multicall's answer apart.
func results(raw json.RawMessage, want int) ([]Result, error) {
	var entries []json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, fmt.Errorf("decode the answer to system.multicall: %w", err)
	}
	if len(entries) != want {
		return nil, fmt.Errorf("system.multicall of %d calls has %d answers", want, len(entries))
	}
	out := make([]Result, want)
	for i, e := range entries {
		out[i] = result(e)
	}
	return out, nil
}

// result reads one entry: [value] for success, {code, message} for failure.
func result(entry json.RawMessage) Result {
	if len(entry) > 0 && entry[0] == '{' {
		var failure Error
		if err := json.Unmarshal(entry, &failure); err != nil {
			return Result{Err: fmt.Errorf("decode aria2's error: %w", err)}
		}
		return Result{Err: &failure}
	}
	var value []json.RawMessage
	if err := json.Unmarshal(entry, &value); err != nil || len(value) != 1 {
		return Result{Err: fmt.Errorf("an answer of aria2 is not a list of one (%w)", err)}
	}
	return Result{Value: value[0]}
}
