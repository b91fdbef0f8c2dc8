package users

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/haul-dl/haul/sdk/errs"
)

// The cost of a hash: the first choice of OWASP that needs little memory.
const (
	hashMemory  = 19 << 10 // KiB
	hashTime    = 2
	hashThreads = 1
	hashLength  = 32
	saltLength  = 16
)

// maxHashMemory bounds what a stored hash may cost, in KiB.
const maxHashMemory = 256 << 10

// maxPassword bounds what is hashed, in bytes.
const maxPassword = 1024

// hashPassword returns the argon2id hash of a password in PHC form.
func hashPassword(password string) string {
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // it never fails
	hash := argon2.IDKey([]byte(password), salt, hashTime, hashMemory, hashThreads, hashLength)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashTime, hashThreads,
		enc.EncodeToString(salt), enc.EncodeToString(hash))
}

// dummyHash is what the password of a user who does not exist is compared
// with, so that the answer takes as long. No password has it.
func dummyHash() string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashTime, hashThreads,
		enc.EncodeToString(make([]byte, saltLength)), enc.EncodeToString(make([]byte, hashLength)))
}

// verifyPassword reports whether the password has the hash, and fails for a
// hash that cannot be read.
func verifyPassword(phc, password string) (bool, error) {
	h, err := parseHash(phc)
	if err != nil {
		return false, err
	}
	got := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(len(h.hash))) //nolint:gosec // parseHash bounds it
	return subtle.ConstantTimeCompare(got, h.hash) == 1, nil
}

// freeHashMemory gives the memory of a hash back at once. The runtime would
// keep it for minutes, and an idle server would look twice as large.
func freeHashMemory() { debug.FreeOSMemory() }

type parsedHash struct {
	memory, time uint32
	threads      uint8
	salt, hash   []byte
}

func parseHash(phc string) (*parsedHash, error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return nil, errors.New("password hash: not argon2id in PHC form")
	}
	h, version := &parsedHash{}, 0
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return nil, fmt.Errorf("password hash: unknown version %q", parts[2])
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil {
		return nil, fmt.Errorf("password hash: parameters: %w", err)
	}
	if h.memory > maxHashMemory || h.time == 0 || h.time > 64 || h.threads == 0 {
		return nil, fmt.Errorf("password hash: parameters %q out of bounds", parts[3])
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return nil, fmt.Errorf("password hash: salt: %w", err)
	}
	if h.hash, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return nil, fmt.Errorf("password hash: %w", err)
	}
	if len(h.hash) < 16 || len(h.hash) > 64 {
		return nil, fmt.Errorf("password hash: %d bytes long", len(h.hash))
	}
	return h, nil
}

// checkPassword returns errs.InvalidRequest for what cannot be a password.
func checkPassword(password string) error {
	if len(password) > maxPassword {
		return errs.New(errs.InvalidRequest, "The password is longer than %d bytes.", maxPassword).WithField("password", "too long")
	}
	return nil
}

// passwordLetters leaves out those that are easily mixed up; there are 32, so
// that each byte chooses evenly.
const passwordLetters = "abcdefghijkmnpqrstuvwxyz23456789"

// generatePassword returns a password of 100 random bits that can be read out.
func generatePassword() string {
	random := make([]byte, 20)
	_, _ = rand.Read(random) // it never fails
	var b strings.Builder
	for i, r := range random {
		if i > 0 && i%5 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(passwordLetters[int(r)%len(passwordLetters)])
	}
	return b.String()
}
