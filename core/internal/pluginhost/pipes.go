package pluginhost

import (
	"fmt"
	"os"
)

// pipes are the descriptors between the host and one process.
type pipes struct {
	outR, outW *os.File // its standard output
	errR, errW *os.File // its standard error
	// aliveR ends when aliveW does, which is never written: with the host at
	// the latest, however that ends.
	aliveR, aliveW *os.File
}

func openPipes() (*pipes, error) {
	p := &pipes{}
	for _, ends := range []struct{ r, w **os.File }{{&p.outR, &p.outW}, {&p.errR, &p.errW}, {&p.aliveR, &p.aliveW}} {
		var err error
		if *ends.r, *ends.w, err = os.Pipe(); err != nil {
			p.closeChildEnds()
			p.closeHostEnds()
			return nil, fmt.Errorf("open pipe: %w", err)
		}
	}
	return p, nil
}

func (p *pipes) closeChildEnds() { closeAll(p.outW, p.errW, p.aliveR) }

func (p *pipes) closeHostEnds() { closeAll(p.outR, p.errR, p.aliveW) }

// closeAll closes pipe ends, where an error tells nothing. Those that were
// never opened may be nil.
func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
