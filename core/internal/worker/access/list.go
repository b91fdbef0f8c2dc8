package access

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// The kinds of entries of a POSIX access list, as Linux encodes them.
const (
	tagOwner = 1 << iota
	tagUser
	tagOwningGroup
	tagGroup
	tagMask
	tagOther
)

const (
	listVersion = 2
	headerSize  = 4
	entrySize   = 8
	noID        = ^uint32(0)

	mayRead, mayWrite, mayEnter = 4, 2, 1
	mayAll                      = mayRead | mayWrite | mayEnter
)

var errBadList = errors.New("not an access list")

// entry is one line of an access list.
type entry struct {
	tag, perm uint16
	id        uint32
}

// list is a POSIX access list.
type list []entry

func parseList(b []byte) (list, error) {
	if len(b) < headerSize || (len(b)-headerSize)%entrySize != 0 || binary.LittleEndian.Uint32(b) != listVersion {
		return nil, errBadList
	}
	var l list
	for b = b[headerSize:]; len(b) > 0; b = b[entrySize:] {
		l = append(l, entry{binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:])})
	}
	return l, nil
}

func (l list) encode() []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, headerSize+entrySize*len(l)), listVersion)
	for _, e := range l {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// standardList says what the umask says.
func standardList(umask int) list {
	return list{
		{tagOwner, mayAll, noID},
		{tagOwningGroup, mayAll &^ uint16(umask>>3&mayAll), noID},
		{tagOther, (mayRead | mayEnter) &^ uint16(umask&mayAll), noID},
	}
}

// with returns the list with everything allowed to a user, and with whatever
// else was in it.
func (l list) with(uid uint32) list {
	l = l.set(entry{tagUser, mayAll, uid})
	// The mask bounds all entries but those of the owner and of the others.
	return l.set(entry{tagMask, mayAll, noID})
}

// set adds an entry, or replaces it, in the order that the kernel wants.
func (l list) set(e entry) list {
	out := slices.DeleteFunc(slices.Clone(l), func(old entry) bool { return old.tag == e.tag && old.id == e.id })
	out = append(out, e)
	slices.SortFunc(out, func(a, b entry) int { return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.id, b.id)) })
	return out
}
