package delivery

import (
	"os"
	"slices"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
)

func TestWhatIsListedIsFoundAmongNames(t *testing.T) {
	l := listOf([]downloader.File{{Path: "m/caf\u00e9/a"}, {Path: "m/b"}})
	tests := []struct {
		name, dir   string
		names, want []string
	}{
		{"what is not listed is left out", "m", []string{"b", "caf\u00e9", "rest.part"}, []string{"b", "caf\u00e9"}},
		{"the whole folder counts where a name is spelled in another way", "m", []string{"b", "cafe\u0301", "rest.part"}, []string{"b", "cafe\u0301", "rest.part"}},
		{"the whole folder counts where its own name is", "m/cafe\u0301", []string{"a", "rest.part"}, []string{"a", "rest.part"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := l.among(tt.dir, tt.names); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAFileThatIsSpelledInAnotherWayIsNotRemoved(t *testing.T) {
	dir := t.TempDir()
	files := tree{"m/CAF\u00c9/a": "A", "m/b": "B"}
	files.write(t, dir)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	// As on a file system that does not tell case apart.
	given := listOf([]downloader.File{{Path: "m/caf\u00e9/a"}, {Path: "m/b"}})
	if err := prune(t.Context(), root, "m", given); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir); len(got) != 2 {
		t.Errorf("left: %v", got)
	}
}
