package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// ownAria2 returns the aria2 that the server's plugin has started, by the port
// and the secret in its configuration; nil while that is being written.
func ownAria2(t testing.TB, s *Server) *lab.Aria2 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Data, "node", "state", "*", "aria2.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 {
		return nil
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		return nil
	}
	config := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			config[key] = value
		}
	}
	return &lab.Aria2{Address: "http://127.0.0.1:" + config["rpc-listen-port"] + "/jsonrpc", Secret: config["rpc-secret"]}
}
