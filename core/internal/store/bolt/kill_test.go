package bolt

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/haul-dl/haul/core/internal/store"
)

// writerEnv makes the test binary a process that writes until it is killed.
const writerEnv = "HAUL_TEST_WRITER"

func TestMain(m *testing.M) {
	if os.Getenv(writerEnv) != "" {
		if err := writeForever(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeForever prints the number of each row that is confirmed. The database is
// that in the working directory.
func writeForever(out io.Writer) error {
	db, err := Open("haul.db", Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	for i := int(db.Revision()); ; i++ {
		_, err := db.Commit(context.Background(), &store.Txn{Then: []store.Op{
			{Type: store.OpPut, Key: fmt.Sprintf("row/%08d", i), Value: make([]byte, 3000)},
			{Type: store.OpAdd, Key: "rows", Delta: 1},
		}})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, i); err != nil {
			return err
		}
	}
}

func TestAKilledProcessLosesNothingThatWasConfirmed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haul.db")
	confirmed := 0
	for range 3 {
		confirmed += killAfter(t, path, 40)
		db := open(t, path, Options{})
		rows, err := db.Get(t.Context(), "rows")
		if err != nil || rows == nil {
			t.Fatal(rows, err)
		}
		n, err := strconv.Atoi(string(rows.Value))
		if err != nil || n < confirmed || int64(n) != db.Revision() {
			t.Errorf("%d rows at revision %d, %d were confirmed; %v", n, db.Revision(), confirmed, err)
		}
		for i := range n {
			if e, err := db.Get(t.Context(), fmt.Sprintf("row/%08d", i)); err != nil || e == nil || len(e.Value) != 3000 {
				t.Fatalf("row %d: %v, %v", i, e, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter lets a process write some rows, kills it, and returns how many it
// has confirmed.
func killAfter(t *testing.T, path string, rows int) int {
	t.Helper()
	writer := exec.CommandContext(t.Context(), os.Args[0])
	writer.Dir = filepath.Dir(path)
	writer.Env = append(os.Environ(), writerEnv+"=1")
	writer.Stderr = os.Stderr
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	lines, n := bufio.NewScanner(out), 0
	for lines.Scan() {
		if n++; n == rows {
			if err := writer.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := writer.Wait(); err == nil || n < rows {
		t.Fatalf("the writer ended by itself after %d rows: %v", n, err)
	}
	return n
}
