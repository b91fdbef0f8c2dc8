package delivery

import (
	"fmt"
	"io/fs"
	"path"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/haul-dl/haul/sdk/errs"
)

// findRoom fails with errs.OutOfSpace where the copies that are still to be
// made need more than is free: better now than after hours of copying. next is
// the file that comes next.
func (x *execution) findRoom(next fs.FileInfo) error {
	if x.roomKnown {
		return nil
	}
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(x.toDir.Fd()), &s); err != nil {
		return destinationError(err, "asking for free space")
	}
	if s.Blocks == 0 {
		return nil // some network file systems do not tell
	}
	need := allocated(next)
	if x.job.Data == DataCopy || !x.oneDevice {
		// All files have to be copied; else those that cannot be moved or linked
		// are few, and each is looked at by itself.
		x.roomKnown, need = true, x.stillNeeded()
	}
	free := int64(s.Bavail) * int64(s.Bsize) //nolint:gosec,unconvert // types differ between systems
	if need > free {
		return errs.New(errs.OutOfSpace, "The destination lacks %s of space.", bytesText(need-free))
	}
	return nil
}

// stillNeeded sums up what is not copied yet.
func (x *execution) stillNeeded() (need int64) {
	look := &looker{root: x.from}
	defer look.close()
	for i := range x.plan.Entries {
		e := &x.plan.Entries[i]
		if !x.open(i) || e.As == "" || x.leftOut(i) || has(x.to, e.As) && e.Copy != 0 {
			continue
		}
		temporary := e.temporary(x.job.Task)
		for _, f := range x.inside[i] {
			name := path.Clean(x.files[f].Path)
			info, err := look.lstat(name)
			if err != nil {
				continue // it fails by itself
			}
			need += allocated(info)
			if copied, err := x.to.Lstat(temporary + name[len(e.Name):]); err == nil {
				need -= min(blocks(copied), allocated(info))
			}
		}
	}
	return need
}

func blocks(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}

// bytesText writes an amount as people read it.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d bytes", n)
	}
	value, names := float64(n)/unit, []string{"KiB", "MiB", "GiB", "TiB"}
	for value >= unit && len(names) > 1 {
		value, names = value/unit, names[1:]
	}
	return fmt.Sprintf("%.1f %s", value, names[0])
}
