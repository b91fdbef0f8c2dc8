package core

import (
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

// HistoryEvent is one entry of a task's history: what happened, when and why.
type HistoryEvent struct {
	// Seq counts from 1 within the task.
	Seq  int         `json:"seq"`
	At   time.Time   `json:"at"`
	Kind HistoryKind `json:"kind"`
	// State is the new one, for HistoryState.
	State TaskState `json:"state,omitempty"`
	// Code is a code of package errs, of Waiting or of JobEvent; may be empty.
	Code errs.Code `json:"code,omitempty"`
	// Message is for people.
	Message string `json:"message"`
	// By is the name of who asked for it; empty where haul acted by itself.
	By string `json:"by,omitempty"`
}

// HistoryKind is a kind of HistoryEvent.
type HistoryKind string

// The kinds.
const (
	HistoryCreated HistoryKind = "created" // the task was taken in
	HistoryWish    HistoryKind = "wish"    // somebody asked for something
	HistoryState   HistoryKind = "state"   // the state changed
	HistoryEventOf HistoryKind = "event"   // something else that is worth telling
)

// MaxHistory is how many entries a task's history keeps, the newest ones.
const MaxHistory = 200
