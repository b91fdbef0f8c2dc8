package driver

import (
	goflag "flag" // there is a type flag here
	"os"
	"testing"
)

// TestMain runs more tests at once than there are processors: they wait for the
// daemon's ten-second tick most of their time.
func TestMain(m *testing.M) {
	goflag.Parse()
	if err := goflag.Set("test.parallel", "5"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
