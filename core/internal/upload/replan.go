package upload

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"

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

// Lengths in bytes: what is usual, and what storages take which encrypt names,
// or count them in another unit.
const (
	usualLength = 255
	shortLength = 120
)

func mend(name string, step int) string {
	if step < mendName {
		return name
	}
	parts := strings.Split(name, "/")
	for i, part := range parts {
		last := i == len(parts)-1
		switch {
		case step == mendShort:
			parts[i] = possiblePart(part, !last, shortLength)
		case step == mendPath || last:
			parts[i] = possiblePart(part, !last, usualLength)
		}
	}
	return strings.Join(parts, "/")
}

// possiblePart also keeps away from what OneDrive does not take, and from the
// names of devices.
func possiblePart(name string, dir bool, limit int) string {
	name = delivery.PossibleName(name, dir, limit-len("_"))
	stem, _, _ := strings.Cut(name, ".")
	if strings.HasPrefix(name, " ") || strings.HasPrefix(name, "~") || devices.MatchString(stem) {
		return "_" + name
	}
	return name
}

var devices = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[1-9]|lpt[1-9])$`)
