package tasks

import (
	"context"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// checkWishes looks at what a request asks for, but its sources.
func checkWishes(req *core.NewTask) error {
	if req.OnConflict != "" && !slices.Contains(core.ConflictPolicies, req.OnConflict) {
		return errs.New(errs.InvalidRequest, "There is no policy %q for names that are taken.", string(req.OnConflict)).
			WithField("on_conflict", "must be rename, skip, overwrite or fail")
	}
	return checkSeed(req.Seed)
}

// checkConflicts refuses a request that would fail at its delivery for a name
// that is taken now. What cannot be looked at is found out then.
func (s *Service) checkConflicts(ctx context.Context, who *core.Identity, req *core.NewTask, fresh []store.NewTask) error {
	if req.OnConflict != core.ConflictFail {
		return nil
	}
	var names []string
	for i := range fresh {
		if t := &fresh[i].Task; t.Name != "" && !t.Source.MustFetch() {
			names = append(names, t.Name)
		}
	}
	node, online := s.nodeFor(&fresh[0].Task)
	if len(names) == 0 || !online {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	to := fresh[0].Task.Destination
	taken, err := s.registry.FindTaken(ctx, node, to.Storage, inHome(&core.User{Name: who.Name}, to.Path), names)
	if err != nil {
		s.log.Debug("look for taken names", "node", node, "err", err)
		return nil
	}
	for i := range fresh {
		if t := &fresh[i].Task; slices.Contains(taken, t.Name) {
			return errs.New(errs.DestinationExists, "Something named %q exists at the destination.", t.Name).
				WithField(req.Sources[i].Field, "its name is taken at the destination")
		}
	}
	return nil
}
