package upload

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/haul-dl/haul/core/internal/delivery"
)

// Replan chooses other names for those files whose names were taken, or which
// the storage refused, and keeps what is there. Errors are those of Plan.
func (u *Uploader) Replan(ctx context.Context, job delivery.Job, p delivery.Plan) (delivery.Plan, error) {
	to, err := openTarget(job)
	if err != nil {
		return delivery.Plan{}, err
	}
	p.Uploads = slices.Clone(p.Uploads)
	mendFolders(&p)
	used := make(map[string]bool, len(p.Uploads))
	for _, up := range p.Uploads {
		used[up.As] = used[up.As] || !up.Refused
	}
	for i := range p.Uploads {
		up := &p.Uploads[i]
		if !up.Taken && !up.Refused {
			continue
		}
		dir, base := path.Dir(up.As), path.Base(mend(up.Name, up.Mended))
		name, err := delivery.FreeName(base, false, func(name string) (bool, error) {
			as := path.Join(dir, name)
			if used[as] {
				return true, nil
			}
			o, err := to.find(ctx, to.path(as))
			return o != nil, err
		})
		if err != nil {
			return delivery.Plan{}, err
		}
		up.As, up.Taken, up.Refused = path.Join(dir, name), false, false
		used[up.As] = true
	}
	return p, nil
}

// The steps by which a path becomes one that a storage takes.
const (
	mendName  = 1 + iota // the file's own name without what Windows and its kin refuse
	mendPath             // those of its folders, too
	mendShort            // all of them short and plain
)

// mendFolders gives refused files the next name, and all others that lie in a
// refused folder the same name for it: they would be refused one after the other.
func mendFolders(p *delivery.Plan) {
	steps := map[string]int{}
	for i := range p.Uploads {
		u := &p.Uploads[i]
		if !u.Refused {
			continue
		}
		as, step, ok := nextMend(u, p.Entries)
		if !ok {
			continue // Execute marks only what can be mended
		}
		u.As, u.Mended, u.Taken = as, step, false
		if dir := path.Dir(u.Name); step >= mendPath && dir != "." {
			steps[dir] = max(steps[dir], step)
		}
	}
	for i := range p.Uploads {
		u := &p.Uploads[i]
		if step := steps[path.Dir(u.Name)]; !u.Done && u.Mended < step {
			u.As, u.Mended, u.Refused = mend(plannedName(u, p.Entries), step), step, true
		}
	}
}

func mendable(u *delivery.Upload, entries []delivery.Entry) bool {
	_, _, ok := nextMend(u, entries)
	return ok
}

// nextMend returns the next name to try, if there is another.
func nextMend(u *delivery.Upload, entries []delivery.Entry) (as string, step int, ok bool) {
	planned := plannedName(u, entries)
	for step = u.Mended + 1; step <= mendShort; step++ {
		if as = mend(planned, step); as != mend(planned, step-1) {
			return as, step, true
		}
	}
	return "", 0, false
}

// plannedName is the name that the plan gave first.
func plannedName(u *delivery.Upload, entries []delivery.Entry) string {
	top, rest, _ := strings.Cut(u.Name, "/")
	for i := range entries {
		if entries[i].Name == top {
			return path.Join(entries[i].As, rest)
		}
	}
	return u.Name
}

func mend(name string, step int) string {
	if step < mendName {
		return name
	}
	parts := strings.Split(name, "/")
	for i := range parts {
		switch {
		case step == mendShort:
			parts[i] = shortPart(safePart(parts[i]))
		case step == mendPath || i == len(parts)-1:
			parts[i] = safePart(parts[i])
		}
	}
	return strings.Join(parts, "/")
}

// safePart replaces what SMB, OneDrive and file systems of Windows do not take.
func safePart(name string) string {
	name = strings.ToValidUTF8(name, "_")
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"|?*\`, r) || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, name)
	if trimmed := strings.TrimRight(name, ". "); trimmed != name {
		name = trimmed + "_"
	}
	if trimmed := strings.TrimLeft(name, " ~"); trimmed != name {
		name = "_" + trimmed
	}
	stem, _, _ := strings.Cut(name, ".")
	if reserved[strings.ToUpper(stem)] {
		name = "_" + name
	}
	return name
}

// reserved are names of devices.
var reserved = func() map[string]bool {
	names := map[string]bool{"CON": true, "PRN": true, "AUX": true, "NUL": true}
	for n := 1; n <= 9; n++ {
		names[fmt.Sprint("COM", n)], names[fmt.Sprint("LPT", n)] = true, true
	}
	return names
}()

// shortest is a length in bytes that storages take which encrypt names, or
// count them in another unit.
const shortest = 120

// shortPart keeps the extension and as much of the rest as is short enough.
func shortPart(name string) string {
	if len(name) <= shortest {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > shortest/4 {
		ext = ""
	}
	n := shortest - len(ext)
	for n > 0 && !utf8.RuneStart(name[n]) {
		n--
	}
	return strings.TrimRight(name[:n], ". ") + ext
}
