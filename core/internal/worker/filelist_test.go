package worker

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestListsOfFilesAreReadBackAsTheyWere(t *testing.T) {
	for name, want := range map[string]fileList{
		"none":         {},
		"in order":     {{Index: 0, Path: "a", Size: 1}, {Index: 1, Path: "b/ü", Size: 1 << 40, Skipped: true}},
		"with gaps":    {{Index: 0, Path: "a"}, {Index: 7, Path: "b"}},
		"out of order": {{Index: 3, Path: "a"}, {Index: 1, Path: "b", Skipped: true}},
	} {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got fileList
		if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
		delivered := make(deliveredList, 0, len(want))
		for _, f := range want {
			delivered = append(delivered, core.DeliveredFile{Index: f.Index, Path: f.Path, Size: f.Size, Skipped: f.Skipped})
		}
		var again deliveredList
		if b, err = json.Marshal(delivered); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &again); err != nil || !reflect.DeepEqual(again, delivered) {
			t.Errorf("%s: %+v, %v", name, again, err)
		}
	}
	var old fileList
	if err := json.Unmarshal([]byte(`[{"Index":2,"Path":"a","Size":5}]`), &old); err != nil || len(old) != 1 || old[0].Index != 2 {
		t.Errorf("an older list: %+v, %v", old, err)
	}
	for _, damaged := range []string{`{"p":["a"],"s":[]}`, `{"p":["a"],"s":[1],"i":[1,2]}`, `{"p":["a"],"s":[1],"k":[1]}`, `7`} {
		var l fileList
		if err := json.Unmarshal([]byte(damaged), &l); err == nil {
			t.Errorf("%s is read as %+v", damaged, l)
		}
	}
}

func TestATorrentOfAHundredThousandFilesIsTaken(t *testing.T) {
	files := make([]downloader.File, 100_000)
	for i := range files {
		files[i] = downloader.File{Index: i, Path: fmt.Sprintf("A collection/part %03d/some file %05d.jpeg", i/1000, i), Size: int64(i)}
	}
	if err := checkFileList(files); err != nil {
		t.Error(err)
	}
	for i := range files {
		files[i].Path += strings.Repeat("x", 100)
	}
	if err := checkFileList(files); !errs.Is(err, errs.UnsafeFile) {
		t.Errorf("names that no record can hold: %v", err)
	}
}
