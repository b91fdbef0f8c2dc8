package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// User is a system user to run something as. It needs no entry in any list of
// users: the kernel knows numbers alone.
type User struct {
	// UID and GID are not 0.
	UID, GID int
	// Groups are further groups.
	Groups []int
	// Umask is what new files and folders lack; 0 means 0022, as everywhere.
	Umask fs.FileMode
}

// defaultUmask is what daemons get from init systems and shells.
const defaultUmask fs.FileMode = 0o022

// RequireUsers skips a test that needs other system users where it may not
// become one.
func RequireUsers(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can run programs as other system users: run this test as root")
	}
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Fatal("setpriv is missing, install it: apt-get install util-linux")
	}
}

// Prefix is a command that runs the command which follows it as the user, with
// no capability at all, and becomes it.
func (u User) Prefix() []string {
	groups := "--clear-groups"
	if len(u.Groups) > 0 {
		var list []string
		for _, g := range u.Groups {
			list = append(list, strconv.Itoa(g))
		}
		groups = "--groups=" + strings.Join(list, ",")
	}
	return []string{
		"setpriv", fmt.Sprintf("--reuid=%d", u.UID), fmt.Sprintf("--regid=%d", u.GID), groups,
		"--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--",
		"sh", "-c", fmt.Sprintf(`umask %04o && exec "$@"`, u.umask()), "sh",
	}
}

func (u *User) umask() fs.FileMode {
	if u == nil || u.Umask == 0 {
		return defaultUmask
	}
	return u.Umask
}

// Own gives a folder, with all that is in it, to the user.
func (u User) Own(t testing.TB, dir string) {
	t.Helper()
	if err := u.own(dir); err != nil {
		t.Fatal(err)
	}
}

// house makes a folder one that the user can work in.
func (u User) house(dir string) error {
	if err := reach(dir); err != nil {
		return err
	}
	return u.own(dir)
}

func (u User) own(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, u.UID, u.GID)
	})
}

// Reach lets every user pass the folders that lead to dir, below the one for
// temporary files: the testing package keeps them to whoever runs the tests.
func Reach(t testing.TB, dir string) {
	t.Helper()
	if err := reach(dir); err != nil {
		t.Fatal(err)
	}
}

func reach(dir string) error {
	for dir = filepath.Dir(dir); dir != os.TempDir() && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if err := os.Chmod(dir, info.Mode().Perm()|0o111); err != nil {
			return err
		}
	}
	return nil
}

// commandAs makes a command of a user, or of nobody in particular.
func commandAs(u *User, program string, args ...string) (*exec.Cmd, error) {
	if u == nil {
		return unprivileged(program, args...)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("only root can run programs as other system users")
	}
	// The kernel drops the death signal of a process that changes its user.
	all := slices.Insert(u.Prefix(), 1, "--pdeathsig=KILL")
	all = append(append(all, program), args...)
	return exec.Command(all[0], all[1:]...), nil
}
