package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// FTP is a read-only FTP server on loopback that lets anybody in. Every file,
// in whatever folder, has the bytes of the web server's /data/NAME.
type FTP struct {
	// URL is "ftp://127.0.0.1:PORT".
	URL string

	listener net.Listener
	ctx      context.Context // ends with the test
	wg       sync.WaitGroup

	mu      sync.Mutex // guards fetches
	fetches map[string]int
}

// StartFTP starts an FTP server. It ends with the test.
func StartFTP(t testing.TB) *FTP {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &FTP{URL: "ftp://" + l.Addr().String(), listener: l, ctx: ctx, fetches: map[string]int{}}
	f.wg.Go(f.accept)
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		f.wg.Wait()
	})
	return f
}

// SHA256 returns the hex digest of the files of a name.
func (f *FTP) SHA256(name string) string { return f.content(name).sha256() }

// Fetches returns how often files of a name were fetched.
func (f *FTP) Fetches(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fetches[name]
}

func (f *FTP) content(name string) payload { return newPayload("/data/"+name, DataSize) }

func (f *FTP) accept() {
	for {
		c, err := f.listener.Accept()
		if err != nil {
			return // closed
		}
		f.wg.Go(func() {
			defer c.Close()
			defer context.AfterFunc(f.ctx, func() { _ = c.Close() })()
			s := &ftpSession{server: f, conn: c}
			s.run()
			s.closeData()
		})
	}
}

// ftpSession is one control connection, as of RFC 959, 2428 and 3659.
type ftpSession struct {
	server *FTP
	conn   net.Conn
	data   net.Listener // of the next transfer
	offset int64        // where that starts
}

func (s *ftpSession) run() {
	in := bufio.NewScanner(s.conn)
	err := s.reply(220, "haul lab")
	for err == nil && in.Scan() {
		verb, arg, _ := strings.Cut(in.Text(), " ")
		if strings.EqualFold(verb, "QUIT") {
			_ = s.reply(221, "bye") // it may have left
			return
		}
		err = s.answer(strings.ToUpper(verb), arg)
	}
}

func (s *ftpSession) reply(code int, text string) error {
	_, err := fmt.Fprintf(s.conn, "%d %s\r\n", code, text)
	return err
}

func (s *ftpSession) answer(verb, arg string) error {
	switch verb {
	case "USER", "PASS":
		return s.reply(230, "come in")
	case "TYPE":
		return s.reply(200, "fine")
	case "CWD":
		return s.reply(250, "fine")
	case "PWD":
		return s.reply(257, `"/"`)
	case "SIZE":
		return s.reply(213, strconv.Itoa(DataSize))
	case "MDTM":
		return s.reply(213, modified.Format("20060102150405"))
	case "REST":
		return s.rest(arg)
	case "PASV", "EPSV":
		return s.passive(verb)
	case "RETR":
		return s.retrieve(arg)
	}
	return s.reply(502, "not here")
}

func (s *ftpSession) rest(arg string) error {
	n, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || n < 0 || n > DataSize {
		return s.reply(501, "no such offset")
	}
	s.offset = n
	return s.reply(350, "noted")
}

func (s *ftpSession) passive(verb string) error {
	s.closeData()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.data = l
	_, text, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	if verb == "EPSV" {
		return s.reply(229, "Entering Extended Passive Mode (|||"+text+"|)")
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	return s.reply(227, fmt.Sprintf("Entering Passive Mode (127,0,0,1,%d,%d)", port>>8, port&0xff))
}

func (s *ftpSession) closeData() {
	if s.data != nil {
		_ = s.data.Close()
		s.data = nil
	}
}

func (s *ftpSession) retrieve(file string) error {
	if s.data == nil {
		return s.reply(425, "passive mode first")
	}
	defer s.closeData()
	if err := s.reply(150, "here it comes"); err != nil {
		return err
	}
	if err := s.transfer(file); err != nil {
		return s.reply(426, "broken off")
	}
	return s.reply(226, "that was it")
}

func (s *ftpSession) transfer(file string) error {
	data := s.data
	defer context.AfterFunc(s.server.ctx, func() { _ = data.Close() })()
	c, err := data.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(s.server.ctx, func() { _ = c.Close() })()
	name := path.Base(file)
	s.server.mu.Lock()
	s.server.fetches[name]++
	s.server.mu.Unlock()
	from := s.offset
	s.offset = 0
	_, err = io.Copy(c, io.NewSectionReader(s.server.content(name), from, DataSize-from))
	return err
}
