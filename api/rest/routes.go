package rest

import (
	"net/http"

	"github.com/haul-dl/haul/core"
)

// route is one method on one path. GET serves HEAD, too.
type route struct {
	method, path string
	access       access
	handle       http.HandlerFunc
}

// access is who may come in at all; the services decide the rest.
type access int

const (
	public access = iota // everybody
	token                // everybody with a valid token
	admin                // admins
)

// routes is the whole API on one page.
func (s *server) routes() []route {
	h := s.generated()
	return []route{
		{"POST", "/api/v1/tasks", token, h.CreateTasks},
		{"GET", "/api/v1/tasks", token, h.ListTasks},
		{"POST", "/api/v1/tasks/actions", token, h.ActOnTasks},
		{"GET", "/api/v1/tasks/{id}", token, h.GetTask},
		{"PATCH", "/api/v1/tasks/{id}", token, h.UpdateTask},
		{"DELETE", "/api/v1/tasks/{id}", token, h.DeleteTask},
		{"POST", "/api/v1/tasks/{id}/pause", token, h.PauseTask},
		{"POST", "/api/v1/tasks/{id}/resume", token, h.ResumeTask},
		{"POST", "/api/v1/tasks/{id}/cancel", token, h.CancelTask},
		{"POST", "/api/v1/tasks/{id}/retry", token, h.RetryTask},
		{"POST", "/api/v1/tasks/{id}/recheck", token, h.RecheckTask},
		{"GET", "/api/v1/tasks/{id}/history", token, h.GetTaskHistory},
		{"GET", "/api/v1/tasks/{id}/files", token, h.ListTaskFiles},
		{"GET", "/api/v1/tasks/{id}/files/{index}/content", token, s.getTaskFileContent},
		{"POST", "/api/v1/sources/inspect", token, h.InspectSource},

		{"GET", "/api/v1/downloaders", token, h.ListDownloaders},
		{"POST", "/api/v1/downloaders", token, h.CreateDownloader},
		{"POST", "/api/v1/downloaders/test", token, h.TestUnsavedDownloader},
		{"GET", "/api/v1/downloaders/{id}", token, h.GetDownloader},
		{"PATCH", "/api/v1/downloaders/{id}", token, h.UpdateDownloader},
		{"DELETE", "/api/v1/downloaders/{id}", token, h.DeleteDownloader},
		{"POST", "/api/v1/downloaders/{id}/test", token, h.TestDownloader},
		{"GET", "/api/v1/storages", token, h.ListStorages},
		{"POST", "/api/v1/storages", token, h.CreateStorage},
		{"POST", "/api/v1/storages/test", token, h.TestUnsavedStorage},
		{"GET", "/api/v1/storages/{id}", token, h.GetStorage},
		{"PATCH", "/api/v1/storages/{id}", token, h.UpdateStorage},
		{"DELETE", "/api/v1/storages/{id}", token, h.DeleteStorage},
		{"POST", "/api/v1/storages/{id}/test", token, h.TestStorage},

		{"GET", "/api/v1/plugins", token, h.ListPlugins},
		{"POST", "/api/v1/plugins/rescan", token, h.RescanPlugins},

		{"POST", "/api/v1/auth/login", public, h.Login},
		{"POST", "/api/v1/auth/logout", token, h.Logout},
		{"GET", "/api/v1/me", token, h.GetMe},
		{"PATCH", "/api/v1/me", token, h.UpdateMe},
		{"GET", "/api/v1/users", admin, h.ListUsers},
		{"POST", "/api/v1/users", admin, h.CreateUser},
		{"GET", "/api/v1/users/{id}", admin, h.GetUser},
		{"PATCH", "/api/v1/users/{id}", admin, h.UpdateUser},
		{"DELETE", "/api/v1/users/{id}", admin, h.DeleteUser},
		{"GET", "/api/v1/groups", admin, h.ListGroups},
		{"POST", "/api/v1/groups", admin, h.CreateGroup},
		{"GET", "/api/v1/groups/{id}", admin, h.GetGroup},
		{"PATCH", "/api/v1/groups/{id}", admin, h.UpdateGroup},
		{"DELETE", "/api/v1/groups/{id}", admin, h.DeleteGroup},

		{"GET", "/api/v1/openapi.yaml", token, getOpenAPI},

		{"GET", "/healthz", public, h.GetHealth},
		{"GET", "/readyz", public, h.GetReadiness},
		{"GET", "/metrics", admin, s.Metrics.ServeHTTP},
	}
}

// permission returns what the access asks for beyond a token.
func (a access) permission() core.Permission {
	if a == admin {
		return core.PermissionAdmin
	}
	return ""
}
