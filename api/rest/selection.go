package rest

import (
	"errors"
	"fmt"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// selectionOf reads which files are wanted. Errors name the item, files[i].
func selectionOf(f apigen.FileSelection) (core.Selection, error) {
	s, err := core.ParseSelection(f.Items)
	if err == nil {
		return s, nil
	}
	field, why := "files", err.Error()
	if e, ok := errors.AsType[*core.SelectionError](err); ok {
		why = e.Message
		if e.Index >= 0 {
			field = fmt.Sprintf("files[%d]", e.Index)
		}
	}
	return s, errs.Wrap(err, errs.InvalidRequest, "%s %s.", field, why).WithField(field, why)
}

// shownSelection returns nil, which means all, for no selection.
func shownSelection(s core.Selection) *apigen.FileSelection {
	if s.IsZero() {
		return nil
	}
	return &apigen.FileSelection{Given: true, Items: s.Items()}
}

func seedPolicy(p *apigen.SeedPolicy) *core.SeedPolicy {
	if p == nil {
		return nil
	}
	return &core.SeedPolicy{Enabled: p.Enabled, Ratio: p.Ratio, TimeSeconds: p.TimeSeconds, IdleSeconds: p.IdleSeconds}
}

func seedOf(p *core.SeedPolicy) *apigen.SeedPolicy {
	if p == nil {
		return nil
	}
	return &apigen.SeedPolicy{Enabled: p.Enabled, Ratio: p.Ratio, TimeSeconds: p.TimeSeconds, IdleSeconds: p.IdleSeconds}
}

// seedChange returns nil for a policy that was not given.
func seedChange(c apigen.SeedChoice) *core.SeedChange {
	if !c.Given {
		return nil
	}
	return &core.SeedChange{Policy: seedPolicy(c.Policy)}
}
