package config

import "fmt"

// redacted is what a secret looks like wherever it is shown.
const redacted = "<secret>"

// Secret is text that no printing shows, whatever the verb or the encoding.
type Secret struct{ value string }

// NewSecret returns a secret.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the text itself.
func (s Secret) Reveal() string { return s.value }

// String returns a mark in place of the text, or nothing where there is none.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText implements encoding.TextMarshaler for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
