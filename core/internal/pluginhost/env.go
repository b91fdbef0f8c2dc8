package pluginhost

import (
	"slices"
	"strings"
)

const (
	// hostFDEnv tells a plugin which descriptor ends with its host.
	hostFDEnv = "HAUL_HOST_FD"
	// logLevelEnv tells it what would only be thrown away here.
	logLevelEnv = "HAUL_LOG_LEVEL"
)

// allowedEnv are the variables that a plugin inherits. Everything else stays
// here: the host's environment holds secrets such as HAUL_ADMIN_PASSWORD, and
// a plugin gets its own by Configure.
var allowedEnv = []string{
	"PATH", "HOME", "TMPDIR", "LANG", "TZ",
	"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY",
	"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy",
}

// pluginEnv returns what of the host's environment a plugin may see.
func pluginEnv(host []string) []string {
	var env []string
	for _, kv := range host {
		key, _, _ := strings.Cut(kv, "=")
		if slices.Contains(allowedEnv, key) || strings.HasPrefix(key, "LC_") {
			env = append(env, kv)
		}
	}
	return env
}
