package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unique"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Want is all that matters of a task for its placement. Tasks with equal wants
// are interchangeable but for their age.
type Want struct {
	Kind downloader.SourceKind
	// Node and Downloader are the owner's choice, empty for any.
	Node       core.NodeID
	Downloader core.DownloaderID
	// Select says that not all files are wanted.
	Select bool
	// Options are the owner's, as JSON; zero for none.
	Options unique.Handle[string]
}

// WantOf returns what matters of a task.
func WantOf(t *core.Task) Want {
	w := Want{Kind: t.Source.Kind, Node: t.WantedNode, Downloader: t.WantedDownloader, Select: !t.Selection.IsZero()}
	if len(t.Options) > 0 {
		w.Options = unique.Make(string(t.Options))
	}
	return w
}

// Candidate is a downloader in a snapshot.
type Candidate struct {
	ID      core.DownloaderID
	Node    core.NodeID
	Name    string
	Enabled bool
	// Sources is nil while its plugin has not described itself yet.
	Sources      []downloader.SourceKind
	Capabilities []downloader.Capability
	// CheckOptions says what is wrong with options, with the fields; the same
	// answer for the same options. Nil takes none.
	CheckOptions func(options string) error
	// Trouble says why it takes no new jobs now; nil when it does.
	Trouble *core.Waiting
	// Active of MaxActive places are taken.
	Active, MaxActive int
	// Weight is its share among candidates that suit as well, from 1.
	Weight int
}

// Has reports whether the candidate's plugin has a capability.
func (c *Candidate) Has(capability downloader.Capability) bool {
	return slices.Contains(c.Capabilities, capability)
}

// matches reports whether the owner's choice leaves the candidate open, and it
// takes the kind of source, as far as that is known.
func (c *Candidate) matches(w Want) bool {
	return (w.Node == "" || w.Node == c.Node) && (w.Downloader == "" || w.Downloader == c.ID) &&
		(c.Sources == nil || slices.Contains(c.Sources, w.Kind))
}

// refuses says why a candidate that matches can never take the task as both
// are; nil when it can, or when that is not known yet.
func (c *Candidate) refuses(w Want) error {
	if c.Sources == nil {
		return nil
	}
	if w.Select && !c.Has(downloader.CapabilitySelectFiles) {
		return errs.New(errs.NotOffered, "Downloader %q cannot load single files.", c.Name).
			WithField("files", "is not offered").
			WithHint("Leave files out to load all, or choose another downloader.")
	}
	if w.Options == (unique.Handle[string]{}) {
		return nil
	}
	if c.CheckOptions == nil {
		return errs.New(errs.InvalidOptions, "Downloader %q takes no options.", c.Name).WithField("options", "are not taken")
	}
	return c.CheckOptions(w.Options.Value())
}

// Takes reports whether the candidate could take the task, as far as that is known.
func (c *Candidate) Takes(w Want) bool { return c.matches(w) && c.refuses(w) == nil }

// Check refuses a want that no candidate could ever meet as things stand. The
// error is that of the candidate which comes closest: an enabled one, if any.
// A disabled one is as good as none, unless there are no others or the owner
// has chosen it.
func Check(w Want, candidates []Candidate) error {
	var refused, refusedDisabled error
	known := false
	for i := range candidates {
		c := &candidates[i]
		if !c.matches(w) {
			continue
		}
		err := c.refuses(w)
		switch {
		case err == nil && (c.Enabled || w.Downloader != ""):
			return nil
		case err == nil:
			known = true
		case c.Enabled:
			refused = cmp.Or(refused, err)
		default:
			refusedDisabled = cmp.Or(refusedDisabled, err)
		}
	}
	switch {
	case refused != nil:
		return refused
	case known:
		return nil
	case refusedDisabled != nil:
		return refusedDisabled
	case w.Downloader != "":
		return errs.New(errs.SourceNotSupported, "The chosen downloader does not take a source of kind %q.", w.Kind)
	}
	return errs.New(errs.NoDownloaderForSource, "No downloader takes a source of kind %q.", w.Kind)
}

// unmet says in words why nobody takes the want.
func unmet(w Want, candidates []Candidate) *core.Waiting {
	err := Check(w, candidates)
	if e, ok := errors.AsType[*errs.Error](err); ok && e.Code != errs.NoDownloaderForSource && e.Code != errs.SourceNotSupported {
		why := errs.MessageOf(err)
		for _, f := range e.Fields {
			why += fmt.Sprintf(" %s %s.", f.Name, f.Message)
		}
		return &core.Waiting{Code: e.Code, Message: why}
	}
	return &core.Waiting{
		Code:    errs.NoDownloaderForSource,
		Message: fmt.Sprintf("No downloader takes a source of kind %q; an admin can add one.", w.Kind),
	}
}
