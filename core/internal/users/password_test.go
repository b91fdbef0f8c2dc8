package users

import (
	"strings"
	"testing"
)

func TestAPasswordMatchesItsOwnHashAlone(t *testing.T) {
	hash := hashPassword("correct horse")
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(hash, "horse") {
		t.Fatalf("hashed as %q", hash)
	}
	for password, want := range map[string]bool{"correct horse": true, "correct hors": false, "Correct horse": false, "": false} {
		if got, err := verifyPassword(hash, password); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", password, got, err, want)
		}
	}
	if hashPassword("correct horse") == hash {
		t.Error("two hashes of one password are equal: the salt is missing")
	}
}

func TestAHashOfOtherCostsIsUnderstood(t *testing.T) {
	// Made by the reference implementation: argon2 somesalt -id -t 1 -k 64 -p 1 -l 24.
	const foreign = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$ZVrRXqxlLcWfcXCnMyv0m4Rpvh/bnCi7"
	if ok, err := verifyPassword(foreign, "password"); err != nil || !ok {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestAHashThatCannotBeReadIsAnErrorAndCostsNothing(t *testing.T) {
	good := strings.Split(dummyHash(), "$")
	with := func(i int, v string) string {
		parts := append([]string(nil), good...)
		parts[i] = v
		return strings.Join(parts, "$")
	}
	for _, hash := range []string{
		"", "plain", "$2a$10$abc", with(1, "argon2i"), with(2, "v=16"), with(3, "m=1"), with(3, "m=4294967295,t=1,p=1"),
		with(3, "m=64,t=4294967295,p=1"), with(3, "m=64,t=0,p=1"), with(3, "m=64,t=1,p=0"), with(3, "m=64,t=1,p=300"),
		with(4, "*"), with(5, "*"), with(5, ""), with(5, strings.Repeat("A", 4096)),
	} {
		if ok, err := verifyPassword(hash, "x"); err == nil || ok {
			t.Errorf("%.60q: %v, %v", hash, ok, err)
		}
	}
}

func TestNoPasswordHasTheHashOfNobody(t *testing.T) {
	for _, password := range []string{"", "password"} {
		if ok, err := verifyPassword(dummyHash(), password); err != nil || ok {
			t.Errorf("%q: %v, %v", password, ok, err)
		}
	}
}

func TestGeneratedPasswordsDifferAndCanBeReadOut(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		p := generatePassword()
		if len(p) != 23 || strings.ContainsAny(p, "lo01") || seen[p] {
			t.Fatalf("generated %q", p)
		}
		seen[p] = true
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(dummyHash())
	f.Fuzz(func(t *testing.T, phc string) {
		h, err := parseHash(phc)
		if err == nil && (h.memory > maxHashMemory || h.time > 64 || len(h.hash) > 64) {
			t.Errorf("%q was taken", phc)
		}
	})
}
