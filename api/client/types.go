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
	// RetryTaskRequest says how a task is tried again.
	RetryTaskRequest = apigen.RetryTaskRequest
	// FileSelection is which files are wanted.
	FileSelection = apigen.FileSelection
	// ConflictPolicy says what happens where a name is taken.
	ConflictPolicy = apigen.OnConflict
	// SeedChoice is a seeding policy as a caller gives it.
	SeedChoice = apigen.SeedChoice
	// SeedPolicy says whether and how long a torrent is shared.
	SeedPolicy = apigen.SeedPolicy
	// History is what happened to a task.
	History = apigen.History
	// HistoryEvent is one entry of a task's history.
	HistoryEvent = apigen.HistoryEvent
	// SourceInfo is what a source is.
	SourceInfo = apigen.SourceInfo
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
	// TestResult is what a test found.
	TestResult = apigen.TestResult
	// Storage is a storage.
	Storage = apigen.Storage
	// StorageList is a part of the list of storages.
	StorageList = apigen.StorageList
	// CreateStorageRequest is a new storage.
	CreateStorageRequest = apigen.CreateStorageRequest
	// UpdateStorageRequest is a change of a storage.
	UpdateStorageRequest = apigen.UpdateStorageRequest
	// TestStorageRequest is a storage to try out.
	TestStorageRequest = apigen.TestStorageRequest
	// User is a user.
	User = apigen.User
	// UserList is a part of the list of users.
	UserList = apigen.UserList
	// CreateUserRequest is a new user.
	CreateUserRequest = apigen.CreateUserRequest
	// UpdateUserRequest is a change of a user.
	UpdateUserRequest = apigen.UpdateUserRequest
	// Group is a group.
	Group = apigen.Group
	// GroupList is a part of the list of groups.
	GroupList = apigen.GroupList
	// CreateGroupRequest is a new group.
	CreateGroupRequest = apigen.CreateGroupRequest
	// UpdateGroupRequest is a change of a group.
	UpdateGroupRequest = apigen.UpdateGroupRequest
	// Permission is a right of a group.
	Permission = apigen.Permission
	// Plugin is a plugin.
	Plugin = apigen.Plugin
	// PluginList has the plugins.
	PluginList = apigen.PluginList
)

// The states of a task, the actions on many, and the order of a list.
const (
	StateQueued    = apigen.TaskStateQueued
	StateCompleted = apigen.TaskStateCompleted
	StateSeeding   = apigen.TaskStateSeeding
	StateHeld      = apigen.TaskStateHeld
	StateFailed    = apigen.TaskStateFailed
	StateCanceled  = apigen.TaskStateCanceled

	ActionPause   = apigen.ActionPause
	ActionResume  = apigen.ActionResume
	ActionCancel  = apigen.ActionCancel
	ActionRetry   = apigen.ActionRetry
	ActionRecheck = apigen.ActionRecheck
	ActionDelete  = apigen.ActionDelete

	SortOldestFirst = apigen.SortOldestFirst
)
