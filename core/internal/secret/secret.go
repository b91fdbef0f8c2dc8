// Package secret encrypts what haul stores of other programs' secrets, with a
// key that is kept in a file of its own.
package secret

import (
	"crypto/cipher"
	"crypto/rand"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/haul-dl/haul/sdk/errs"
)

// version is the first byte of everything sealed: XChaCha20-Poly1305, whose
// nonces are long enough to be drawn by chance.
const version = 1

// Box seals and opens with one key. Its methods may be called concurrently.
type Box struct{ aead cipher.AEAD }

// newBox returns a Box for a key of KeySize bytes.
func newBox(key []byte) (*Box, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	return &Box{aead}, nil
}

// Seal encrypts plaintext. It opens again only with the same aad, which is
// not a secret: the name of the place where it is stored, so that nobody can
// move it to another one.
func (b *Box) Seal(plaintext, aad []byte) []byte {
	head := 1 + b.aead.NonceSize()
	out := make([]byte, head, head+len(plaintext)+b.aead.Overhead())
	out[0] = version
	rand.Read(out[1:head]) // never fails: the program ends instead

	return b.aead.Seal(out, out[1:head], plaintext, withVersion(aad)) //nolint:gosec // the nonce was drawn a line above
}

// Open decrypts what Seal made with the same key and aad. It fails with
// errs.Internal.
func (b *Box) Open(sealed, aad []byte) ([]byte, error) {
	head := 1 + b.aead.NonceSize()
	if len(sealed) < head+b.aead.Overhead() {
		return nil, errs.New(errs.Internal, "A stored secret is damaged.")
	}
	if sealed[0] != version {
		return nil, errs.New(errs.Internal, "A stored secret was written by a newer haul.")
	}
	plaintext, err := b.aead.Open(nil, sealed[1:head], sealed[head:], withVersion(aad))
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "A stored secret cannot be decrypted.").
			WithHint("The key file is not the one that it was stored with: restore the key file that belongs to the database.")
	}
	return plaintext, nil
}

func withVersion(aad []byte) []byte { return append([]byte{version}, aad...) }
