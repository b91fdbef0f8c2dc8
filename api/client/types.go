package client

import "github.com/haul-dl/haul/api/apigen"

// The types of the contract, so that a caller needs this package alone.
type (
	// Task is a task.
	Task = apigen.Task
	// TaskList is a part of the list of tasks.
	TaskList = apigen.TaskList
	// ListTasksParams selects tasks.
	ListTasksParams = apigen.ListTasksParams
	// CreateTasksRequest is what somebody asks for.
	CreateTasksRequest = apigen.CreateTasksRequest
	// UpdateTaskRequest is a change of a task.
	UpdateTaskRequest = apigen.UpdateTaskRequest
	// FileSelection is which files are wanted.
	FileSelection = apigen.FileSelection
	// TaskAction is what can be done to many tasks at once.
	TaskAction = apigen.TaskActionRequestAction
	// TaskActionResult is what came of an action for one task.
	TaskActionResult = apigen.TaskActionResult
	// PathMapping is a folder as a daemon and as its node call it.
	PathMapping = apigen.PathMapping
	// Source is a source as a caller gives it.
	Source = apigen.NewSource
	// Destination is a destination as a caller gives it.
	Destination = apigen.NewDestination
	// File is one file of a task.
	File = apigen.File
	// FileList has the files of a task.
	FileList = apigen.FileList
	// Me is who a token belongs to.
	Me = apigen.Me
	// LoginAnswer is a fresh token.
	LoginAnswer = apigen.LoginAnswer
	// Downloader is a downloader.
	Downloader = apigen.Downloader
	// DownloaderList is a part of the list of downloaders.
	DownloaderList = apigen.DownloaderList
	// CreateDownloaderRequest is a new downloader.
	CreateDownloaderRequest = apigen.CreateDownloaderRequest
	// UpdateDownloaderRequest is a change of a downloader.
	UpdateDownloaderRequest = apigen.UpdateDownloaderRequest
	// TestDownloaderRequest is a downloader to try out.
	TestDownloaderRequest = apigen.TestDownloaderRequest
	// DownloaderTest is what a test found.
	DownloaderTest = apigen.DownloaderTest
	// Plugin is a plugin.
	Plugin = apigen.Plugin
	// PluginList has the plugins.
	PluginList = apigen.PluginList
)

// The states of a task, the actions on many, and the order of a list.
const (
	StateCompleted = apigen.TaskStateCompleted
	StateSeeding   = apigen.TaskStateSeeding
	StateHeld      = apigen.TaskStateHeld
	StateFailed    = apigen.TaskStateFailed
	StateCanceled  = apigen.TaskStateCanceled

	ActionPause  = apigen.ActionPause
	ActionResume = apigen.ActionResume
	ActionCancel = apigen.ActionCancel
	ActionRetry  = apigen.ActionRetry
	ActionDelete = apigen.ActionDelete

	SortOldestFirst = apigen.SortOldestFirst
)
