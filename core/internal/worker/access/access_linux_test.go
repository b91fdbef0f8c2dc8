package access

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func share(t *testing.T, path string) (lists bool) {
	t.Helper()
	lists, err := Share(open(t, path), OwnGroup)
	if err != nil {
		t.Fatal(err)
	}
	return lists
}

func TestWhatIsMadeInASharedFolderIsOpenToItsOwner(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // repeating it changes nothing
		if !share(t, dir) {
			t.Skip("the file system of temporary files has no access lists")
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode() & (fs.ModePerm | fs.ModeSetgid); got != Mode {
		t.Errorf("its mode is %v", got)
	}
	nested := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(nested, 0o777); err != nil {
		t.Fatal(err)
	}
	l, err := parseList(mustRead(t, nested))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(l, entry{tagUser, mayAll, uint32(os.Geteuid())}) || !slices.Contains(l, entry{tagMask, mayAll, noID}) {
		t.Errorf("a folder below has the list %+v", l)
	}
}

func TestAFolderBelowASharedOneIsOpenToTheGroup(t *testing.T) {
	dir := t.TempDir()
	if !share(t, dir) {
		t.Skip("the file system of temporary files has no access lists")
	}
	below, file := filepath.Join(dir, "a"), filepath.Join(dir, "a", "f")
	if err := os.Mkdir(below, 0o700); err != nil {
		t.Fatal(err)
	}
	share(t, below)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ShareFile(open(t, file), OwnGroup); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]uint16{below: mayAll, file: mayRead | mayWrite} {
		b, err := readList(open(t, path), accessList)
		if err != nil {
			t.Fatal(err)
		}
		l, err := parseList(b)
		if err != nil || !slices.Contains(l, entry{tagOwningGroup, want, noID}) {
			t.Errorf("%s has the list %+v, %v", path, l, err)
		}
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := readList(open(t, path), defaultList)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatAnAdminHasGivenStays(t *testing.T) {
	l := list{{tagOwner, mayAll, noID}, {tagUser, 6, 4711}, {tagOwningGroup, 5, noID}, {tagMask, 6, noID}, {tagOther, 0, noID}}
	got := l.with(20000)
	want := list{
		{tagOwner, mayAll, noID},
		{tagUser, 6, 4711},
		{tagUser, mayAll, 20000},
		{tagOwningGroup, 5, noID},
		{tagMask, mayAll, noID},
		{tagOther, 0, noID},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	if again := got.with(20000); !slices.Equal(again, want) {
		t.Errorf("again: %+v", again)
	}
	decoded, err := parseList(got.encode())
	if err != nil || !slices.Equal(decoded, want) {
		t.Errorf("read back: %+v, %v", decoded, err)
	}
}

func TestTheUmaskDecidesWhatOthersMay(t *testing.T) {
	for umask, want := range map[int][2]uint16{0o022: {5, 5}, 0o002: {7, 5}, 0o027: {5, 0}, 0o077: {0, 0}, 0: {7, 5}} {
		l := standardList(umask)
		if got := [2]uint16{l[1].perm, l[2].perm}; got != want {
			t.Errorf("umask %04o gives %v, want %v", umask, got, want)
		}
	}
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	if got := umask(); got != 0o027 {
		t.Errorf("the umask is taken for %04o", got)
	}
}

func TestBadListsAreRefused(t *testing.T) {
	for _, b := range [][]byte{{}, {2, 0, 0}, {1, 0, 0, 0}, {2, 0, 0, 0, 1}} {
		if l, err := parseList(b); err == nil {
			t.Errorf("%v is taken for %v", b, l)
		}
	}
}

func TestAShutFolderIsFound(t *testing.T) {
	base := t.TempDir()
	path := filepath.Join(base, "a", "b")
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	// The testing package keeps its folders to whoever runs the tests.
	if got, shut := Shut(path); shut && strings.HasPrefix(got, base+"/") {
		t.Errorf("%s is shut", got)
	}
	if err := os.Chmod(filepath.Dir(base), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(base, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, _ := Shut(path); got != filepath.Join(base, "a") {
		t.Errorf("got %q", got)
	}
}
