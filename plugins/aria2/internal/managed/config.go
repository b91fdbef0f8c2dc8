package managed

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/daemonhttp"
	"github.com/haul-dl/haul/sdk/errs"
)

// Network is what an admin may set about the daemon's network.
type Network struct {
	// DHT lets it find peers without trackers; nil means true.
	DHT *bool `json:"dht"`
	// ListenPort is for BitTorrent (TCP, and UDP of the DHT); 0 lets aria2
	// take a free one from 6881 to 6999.
	ListenPort int `json:"listen_port"`
	// Interface is a name or an address that all connections leave by; empty
	// leaves it to the system.
	Interface string `json:"interface"`
	// IPv6 lets it use IPv6.
	IPv6 bool `json:"ipv6"`
}

var interfacePattern = regexp.MustCompile(`^[A-Za-z0-9.:_%@-]{0,64}$`)

// Validate fails with errs.InvalidSettings.
func (n Network) Validate() error {
	if n.ListenPort != 0 && (n.ListenPort < 1024 || n.ListenPort > 65535) {
		return errs.New(errs.InvalidSettings, "The BitTorrent port is out of range.").
			WithField("managed.listen_port", "must be between 1024 and 65535")
	}
	if !interfacePattern.MatchString(n.Interface) {
		return errs.New(errs.InvalidSettings, "The network interface has characters that no interface has.").
			WithField("managed.interface", "must be the name or the address of a network interface")
	}
	return nil
}

const (
	configName  = "aria2.conf"
	sessionName = "aria2.session"
)

// config is the configuration of one life of the daemon.
type config struct {
	opts   Options
	port   int
	secret string
}

func newConfig(opts Options) (config, error) {
	port, err := freePort()
	if err != nil {
		return config{}, err
	}
	return config{opts: opts, port: port, secret: rand.Text()}, nil
}

func (c config) endpoint() (aria2rpc.Endpoint, error) {
	client, err := daemonhttp.New(daemonhttp.Options{Daemon: aria2rpc.Daemon(), URL: rpcURL(c.port)})
	return aria2rpc.Endpoint{HTTP: client, Secret: c.secret}, err
}

func (c config) argument() string { return configArgument(c.opts.StateDir) }

func configArgument(stateDir string) string {
	return "--conf-path=" + filepath.Join(stateDir, configName)
}

// write stores the configuration, which has the secret, for this user alone,
// and makes the session file, without which aria2 does not start.
func (c config) write() error {
	if strings.ContainsAny(c.opts.StateDir, "\r\n") {
		return errs.New(errs.InvalidSettings, "The state directory has a line break in its name.")
	}
	session, err := os.OpenFile(filepath.Join(c.opts.StateDir, sessionName), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make session file: %w", err)
	}
	if err := session.Close(); err != nil {
		return fmt.Errorf("make session file: %w", err)
	}
	path := filepath.Join(c.opts.StateDir, configName)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) { // a new file has the mode that we give
		return fmt.Errorf("replace configuration: %w", err)
	}
	if err := os.WriteFile(path, []byte(c.text()), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

func (c config) text() string {
	session := filepath.Join(c.opts.StateDir, sessionName)
	active := max(c.opts.MaxActive, 5)
	lines := []string{
		"enable-rpc=true",
		"rpc-listen-all=false",
		"rpc-listen-port=" + strconv.Itoa(c.port),
		"rpc-secret=" + c.secret,
		"rpc-max-request-size=64M", // a torrent of 10 MiB, as base64, with room
		"stop-with-process=" + strconv.Itoa(os.Getpid()),
		"dir=" + filepath.Join(c.opts.StateDir, "stray"), // each job has its own
		"input-file=" + session,
		"save-session=" + session,
		"save-session-interval=1",
		"force-save=false",
		"auto-save-interval=10", // what a kill -9 may cost of the data, in seconds
		// A server that knows no ranges gives the whole file again. With its disk
		// cache aria2 1.36 aborts then (a failed assertion); the system has one.
		"always-resume=false",
		"disk-cache=0",
		"max-concurrent-downloads=" + strconv.Itoa(active),
		"max-download-result=" + strconv.Itoa(max(1000, 2*active)),
		// A single connection is slow over long distances, more than a few make
		// servers ban the address: 4 is where most of the gain is.
		"split=4",
		"max-connection-per-server=4",
		"rlimit-nofile=65536",
		"no-netrc=true",
		"summary-interval=0",
		"show-console-readout=false",
		"enable-color=false",
		"console-log-level=error",
	}
	lines = append(lines, c.network()...)
	return strings.Join(lines, "\n") + "\n"
}

func (c config) network() []string {
	n := c.opts.Network
	dht := n.DHT == nil || *n.DHT
	lines := []string{
		fmt.Sprintf("disable-ipv6=%t", !n.IPv6),
		fmt.Sprintf("enable-dht=%t", dht),
		fmt.Sprintf("enable-dht6=%t", dht && n.IPv6),
		"dht-file-path=" + filepath.Join(c.opts.StateDir, "dht.dat"),
		"dht-file-path6=" + filepath.Join(c.opts.StateDir, "dht6.dat"),
		"bt-enable-lpd=false",
	}
	if n.ListenPort != 0 {
		port := strconv.Itoa(n.ListenPort)
		lines = append(lines, "listen-port="+port, "dht-listen-port="+port)
	}
	if n.Interface != "" {
		lines = append(lines, "interface="+n.Interface)
	}
	return lines
}

// freePort asks the kernel. aria2 cannot listen on port 0, so there is a moment
// in which somebody else may take it; then the daemon ends or answers wrongly,
// and the next start takes another.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return strconv.Atoi(port)
}

// environment is what the daemon sees: proxies as the admin set them, and
// nothing else of ours.
func environment(stateDir string) []string {
	env := []string{"HOME=" + stateDir, "PATH=/usr/bin:/bin", "LANG=C.UTF-8"}
	for _, name := range []string{"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
