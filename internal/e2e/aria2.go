package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/haul-dl/haul/internal/lab"
)

// rpc calls a method of an aria2 directly.
func rpc(a *lab.Aria2, method string, params []any) (json.RawMessage, error) {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": "1", "method": method, "params": params})
	if err != nil {
		return nil, err
	}
	resp, err := http.Post(a.Address, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Result json.RawMessage
		Error  json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("%s: %s", method, answer.Error)
	}
	return answer.Result, nil
}
