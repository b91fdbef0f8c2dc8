package folderprobe

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/haul-dl/haul/core/internal/worker/access"
	"github.com/haul-dl/haul/sdk/errs"
)

// manual is where each trouble is explained with its cures.
const manual = "docs/shared-folder.md has recipes."

func (p *probe) mapped() bool { return p.Root != p.DaemonRoot }

func (p *probe) sayShared() string {
	if p.mapped() {
		return fmt.Sprintf("haul and the downloader see the same folder: %s, which the downloader calls %s.", p.Root, p.DaemonRoot)
	}
	return fmt.Sprintf("haul and the downloader see the same folder: %s.", p.Root)
}

// sayUnreached explains what was not tried, and why that is no failure.
func (p *probe) sayUnreached(what string) string {
	return fmt.Sprintf("%s: the downloader did not ask for the file that this node served for it at http://%s. "+
		"That is no failure: a firewall, a proxy, or a VPN that the daemon is bound to keeps them apart.", what, p.server.address)
}

// errNotSeen is for a downloader that looks somewhere else.
func (p *probe) errNotSeen() error {
	return errs.New(errs.PathNotShared, "The downloader does not find in %s what haul has put into %s.", p.DaemonRoot, p.Root).
		WithHint("%s", p.hintShare())
}

// errElsewhere is for a downloader that writes somewhere else.
func (p *probe) errElsewhere() error {
	return errs.New(errs.PathNotShared, "The downloader has written to a folder %s that is not haul's %s.", p.DaemonRoot, p.Root).
		WithHint("%s The test's files %s stay where the downloader wrote them unless it has deleted them.", p.hintShare(), p.sample.name)
}

func (p *probe) hintShare() string {
	if p.mapped() {
		return fmt.Sprintf("Correct path_map: %q has to be what the downloader calls the folder that is %q here. %s", p.DaemonRoot, p.Root, manual)
	}
	return fmt.Sprintf("Mount %[1]s into the downloader's container or machine under the same path, "+
		"or say what it is called there with path_map, such as {\"daemon\":\"/downloads\",\"node\":%[1]q}. %s", p.Root, manual)
}

// errNotEntered is for a downloader that could do nothing at all: the rights
// are missing, or the path is one that it does not have.
func (p *probe) errNotEntered() error {
	if p.mapped() {
		return errs.Wrap(p.failure, errs.PathNotShared, "The downloader can do nothing in %s, which path_map gives it for %s.", p.DaemonRoot, p.Root).
			WithHint("Look whether the downloader has that folder and may write to it. %s", p.hintShare())
	}
	if shut, ok := access.Shut(p.Root); ok {
		return errs.Wrap(p.failure, errs.PathNotWritable, "The downloader cannot get to %s: nobody but its owner may enter %s.", p.Root, shut).
			WithHint("Let the group in (chmod g+x %s), and put the downloader's user into the folder's group: %s. %s", shut, p.hintGroup(), manual)
	}
	return errs.Wrap(p.failure, errs.PathNotWritable, "The downloader may not write to %s.", p.Root).
		WithHint("Put the user that the downloader runs as into the group of the folder and start it again: %s. "+
			"If it runs in a container or on another machine, mount the folder there. %s", p.hintGroup(), manual)
}

// errNotWritten is for a downloader that sees the folder and fails there.
func (p *probe) errNotWritten() error {
	if !isAboutFolder(p.failure) {
		return p.failure
	}
	return errs.Wrap(p.failure, errs.PathNotWritable, "The downloader sees %s and may not write to it.", p.DaemonRoot).
		WithHint("Put the user that the downloader runs as into the group of the folder and start it again: %s. %s", p.hintGroup(), manual)
}

// errNotArrived is for one that finds the node's file and loads to nowhere.
func (p *probe) errNotArrived() error {
	return errs.New(errs.PathNotWritable, "The downloader sees %s, and what it has loaded does not show there.", p.DaemonRoot).
		WithHint("Look for a folder of incomplete files in its settings, and for a disk that is full. %s", manual)
}

// errNotMoved says whose the thing is that the node may not touch.
func (p *probe) errNotMoved(e *moveError) error {
	whose := "something of the downloader"
	if uid, ok := ownerOf(e.info); ok {
		whose = fmt.Sprintf("what belongs to %s with mode %s", userName(uid), e.info.Mode())
	}
	err := errs.Wrap(e, errs.PathNotWritable, "The downloader can write to %s, but haul, which runs as %s, may not %s %s.",
		p.Root, userName(os.Geteuid()), e.do, whose)
	stays := ""
	if p.left != nil {
		stays = fmt.Sprintf(" What the test wrote stays in %s until you delete it.", filepath.Dir(p.Dir))
	}
	if p.lists {
		return err.WithHint("The downloader takes rights away from what it makes: remove its own setting of modes or umask. %s%s", manual, stays)
	}
	return err.WithHint("The file system of %s has no access lists, by which haul keeps its rights. "+
		"Start the downloader with the umask 0002, in the folder's group: %s. Or run both as the same user. %s%s", p.Root, p.hintGroup(), manual, stays)
}

// hintGroup is the command that lets a user write to the folder.
func (p *probe) hintGroup() string {
	id := strconv.Itoa(p.group)
	if g, err := user.LookupGroupId(id); err == nil {
		id = g.Name
	}
	return "usermod -a -G " + id + " USER"
}

func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "the user " + id
}
