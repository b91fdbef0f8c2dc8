package driver

import (
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

func TestStatAndRemove(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		d := configure(t, s.settings)
		if _, err := d.Stat(withTimeout(t), "dir/none"); !errs.Is(err, errs.NotFound) {
			t.Errorf("Stat of nothing: %v", err)
		}
		if err := d.Remove(withTimeout(t), "dir/none"); err != nil {
			t.Errorf("Remove of nothing: %v", err)
		}
		if _, err := d.Put(withTimeout(t), request("dir/f", []byte("f"))); err != nil {
			t.Fatal(err)
		}
		if o, err := d.Stat(withTimeout(t), "dir"); err != nil || !o.Dir || o.Path != "dir" {
			t.Errorf("Stat of a folder: %+v, %v", o, err)
		}
		if err := d.Remove(withTimeout(t), "dir"); !errs.Is(err, errs.InUse) {
			t.Errorf("Remove of a folder that is not empty: %v", err)
		}
		for _, path := range []string{"dir/f", "dir", "dir"} {
			if err := d.Remove(withTimeout(t), path); err != nil {
				t.Errorf("Remove of %s: %v", path, err)
			}
		}
		if o, err := d.Stat(withTimeout(t), "dir"); !errs.Is(err, errs.NotFound) {
			t.Errorf("Stat of what was removed: %+v, %v", o, err)
		}
	})
}

func TestSpaceIsToldOrNotOffered(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		d := configure(t, s.settings)
		if _, err := d.Put(withTimeout(t), request("f", []byte("f"))); err != nil {
			t.Fatal(err)
		}
		space, err := d.Space(withTimeout(t))
		switch {
		case errs.Is(err, errs.NotOffered):
		case err != nil:
			t.Error(err)
		case space.Free < -1 || space.Total < -1:
			t.Errorf("%+v", space)
		}
	})
}

func TestTheTestSaysWhatIsWrong(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		result, err := configure(t, s.settings).Test(withTimeout(t))
		if err != nil || !result.OK() || len(result.Checks) != 3 {
			t.Fatalf("%+v, %v", result, err)
		}
		if left := s.visible(t); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		wrong := configure(t, s.with(s.secret, "wrong"))
		result, err = wrong.Test(withTimeout(t))
		last := result.Checks[len(result.Checks)-1]
		if err != nil || last.Name != "credentials" || !errs.Is(last.Err, errs.StorageAuthFailed) {
			t.Errorf("with wrong credentials: %+v, %v", last, err)
		}
		if _, err := wrong.Put(withTimeout(t), request("f", []byte("f"))); !errs.Is(err, errs.StorageAuthFailed) {
			t.Errorf("Put with wrong credentials: %v", err)
		}
		s.stop()
		result, err = configure(t, s.settings).Test(withTimeout(t))
		last = result.Checks[len(result.Checks)-1]
		if err != nil || last.Name != "reachable" || !errs.Is(last.Err, errs.StorageUnreachable) {
			t.Errorf("while it is down: %+v, %v", last, err)
		}
	})
}

func TestABucketThatDoesNotExistIsNotMade(t *testing.T) {
	s := servers["S3"](t)
	s.settings["path"] = "misspelt/home"
	d := configure(t, s.settings)
	_, err := d.Put(withTimeout(t), request("f", []byte("f")))
	if !errs.Is(err, errs.StorageError) {
		t.Errorf("Put: %s: %v", errs.CodeOf(err), err)
	}
	result, err := d.Test(withTimeout(t))
	last := result.Checks[len(result.Checks)-1]
	if err != nil || last.Name != "write" || last.Err == nil {
		t.Errorf("Test: %+v, %v", last, err)
	}
}
