package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// sftpServer is where Debian and its kin have OpenSSH's.
const sftpServer = "/usr/lib/openssh/sftp-server"

// SFTP is OpenSSH's sftp-server behind an SSH server of this process.
type SFTP struct {
	// Host and Port are where it listens.
	Host string
	Port int
	// Username and Password are those of its only user.
	Username, Password string
	// HostKey is its public key, as in a file of known hosts.
	HostKey string
	// Dir has its files; paths at the server are those of this machine.
	Dir string

	t      testing.TB
	config *ssh.ServerConfig

	mu       sync.Mutex // guards what follows
	listener net.Listener
	conns    map[net.Conn]bool
	serving  sync.WaitGroup
}

// StartSFTP starts a server. It ends with the test.
func StartSFTP(t testing.TB) *SFTP {
	t.Helper()
	if _, err := exec.LookPath(sftpServer); err != nil {
		t.Fatalf("%s is missing, install it: apt-get install openssh-sftp-server", sftpServer)
	}
	s := &SFTP{
		Host: "127.0.0.1", Username: "haul", Password: newSecret(), Dir: t.TempDir(),
		t: t, conns: map[net.Conn]bool{},
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s.HostKey = string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
	s.config = &ssh.ServerConfig{PasswordCallback: s.login}
	s.config.AddHostKey(signer)
	s.Restart()
	t.Cleanup(s.Stop)
	return s
}

func (s *SFTP) login(conn ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
	if conn.User() != s.Username || string(password) != s.Password {
		return nil, errors.New("wrong user or password")
	}
	return &ssh.Permissions{}, nil
}

// Restart lets it listen again at the same address.
func (s *SFTP) Restart() {
	s.t.Helper()
	s.Stop()
	l, err := net.Listen("tcp4", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	if err != nil {
		s.t.Fatal(err)
	}
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		s.t.Fatalf("not a TCP address: %v", l.Addr())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Port, s.listener = address.Port, l
	s.serving.Go(func() { s.accept(l) })
}

// Stop cuts all connections off, and waits until nobody serves them.
func (s *SFTP) Stop() {
	s.mu.Lock()
	if s.listener != nil {
		_ = s.listener.Close()
		s.listener = nil
	}
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
}

func (s *SFTP) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.listener != l {
			s.mu.Unlock()
			_ = conn.Close()
			return
		}
		s.conns[conn] = true
		s.serving.Go(func() { s.serve(conn) })
		s.mu.Unlock()
	}
}

func (s *SFTP) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
	}()
	_, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	var sessions sync.WaitGroup
	defer sessions.Wait()
	sessions.Go(func() { ssh.DiscardRequests(requests) })
	for c := range channels {
		if c.ChannelType() != "session" {
			_ = c.Reject(ssh.UnknownChannelType, "sessions only")
			continue
		}
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		sessions.Go(func() { s.session(channel, requests) })
	}
}

// session serves SFTP, and refuses commands as an account without a shell does.
func (s *SFTP) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	var rest sync.WaitGroup
	defer rest.Wait()
	defer channel.Close()
	for r := range requests {
		sftp := r.Type == "subsystem" && len(r.Payload) > 4 && string(r.Payload[4:]) == "sftp"
		if r.WantReply {
			_ = r.Reply(sftp, nil)
		}
		if sftp {
			rest.Go(func() { ssh.DiscardRequests(requests) })
			s.run(channel)
			return
		}
	}
}

func (s *SFTP) run(channel ssh.Channel) {
	cmd, err := unprivileged(sftpServer, "-d", s.Dir)
	if err != nil {
		return
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return
	}
	cmd.Stdout = channel
	p, err := startProcess(cmd)
	if err != nil {
		return
	}
	_, _ = io.Copy(in, channel) // ends with the connection
	_ = in.Close()
	<-p.done
}
