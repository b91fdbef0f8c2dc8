package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

// credentials is a file with the tokens that logins gave, by server.
type credentials struct{ path string }

type credential struct {
	User      string    `json:"user"`
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (c *credentials) read() (map[string]credential, error) {
	all := map[string]credential{}
	text, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil, errs.Wrap(err, errs.InvalidRequest, "The stored logins in %s cannot be read.", c.path).
			WithHint("Correct or remove the file, and log in again.")
	}
	return all, nil
}

func (c *credentials) token(url string) (string, error) {
	all, err := c.read()
	return all[serverKey(url)].Token, err
}

func (c *credentials) put(url string, login credential) error {
	all, err := c.read()
	if err != nil {
		return err
	}
	all[serverKey(url)] = login
	return c.write(all)
}

func (c *credentials) remove(url string) error {
	all, err := c.read()
	if err != nil {
		return err
	}
	if _, ok := all[serverKey(url)]; !ok {
		return nil
	}
	delete(all, serverKey(url))
	return c.write(all)
}

// write replaces the file as a whole; nobody else may ever read it.
func (c *credentials) write(all map[string]credential) error {
	if err := c.replace(all); err != nil {
		return errs.Wrap(err, errs.InvalidRequest, "The login cannot be stored in %s.", c.path).
			WithHint("Check that you may write there, or set HAUL_TOKEN instead: %v.", err)
	}
	return nil
}

func (c *credentials) replace(all map[string]credential) (err error) {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(c.path), ".credentials-*") // has mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	_, err = temp.Write(append(text, '\n'))
	err = errors.Join(err, temp.Close())
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), c.path)
}

func serverKey(url string) string { return strings.TrimRight(url, "/") }
