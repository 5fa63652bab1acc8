//go:build linux

package faults

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// A client of a file server, as NFS clients are at their worst: what it knows of
// names, of missing names, of attributes and of folders may be as old as its
// cache allows, and what is written to a file reaches the server when the file
// is synced or closed, or by chance before. Two clients of one folder are two
// hosts that share a disk.
//
// It can also lose replies: a call is done, and the answer says that it failed.
// This is what a server that restarts, or a network that drops packets, makes of
// mkdir, link, create and rename; and handles that the server has forgotten are
// stale (ESTALE).
//
// A client is a process of its own, the test binary in another role, since a
// process that uses a file system that it serves itself may wait for itself.
type client struct {
	habits
	healed atomic.Bool
	counts [2]atomic.Int64 // replies lost, handles stale

	mu     sync.Mutex
	listed map[string]*listing // by path in the mount
	dirty  map[string]*unsent
}

// habits are what a client does.
type habits struct {
	Cache time.Duration
	Plus  bool    // listings bring attributes with them, and look for names anew (NFSv3 READDIRPLUS)
	Lost  float64 // chance that a reply is lost
	Own   bool    // a lost reply comes back as EEXIST, as to a call that was sent twice; else as EIO
	Stale float64 // chance that opening a file says ESTALE
}

type listing struct {
	entries []fuse.DirEntry
	at      time.Time
}

// unsent is what was written to a file and is not with the server yet.
type unsent struct {
	parts []part
	end   int64
}

type part struct {
	at   int64
	data []byte
}

const (
	clientEnv  = "ORCH_FAULTS_CLIENT" // "folder mount cache plus lost own stale": be a client
	clientUp   = "mounted"
	clientWell = "healed"
	clientHeal = syscall.SIGUSR1 // lose nothing from now on
)

// serveClient is the client's process.
func serveClient(spec string) error {
	var dir, mnt string
	c := &client{listed: map[string]*listing{}, dirty: map[string]*unsent{}}
	if _, err := fmt.Sscan(spec, &dir, &mnt, (*int64)(&c.Cache), &c.Plus, &c.Lost, &c.Own, &c.Stale); err != nil {
		return err
	}
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return err
	}
	root := &fs.LoopbackRoot{Path: dir, Dev: uint64(st.Dev)}
	//lint:ignore SA1019 the loopback of this version of go-fuse asks for it
	root.NewNode = func(r *fs.LoopbackRoot, _ *fs.Inode, _ string, _ *syscall.Stat_t) fs.InodeEmbedder {
		return &remote{LoopbackNode: fs.LoopbackNode{RootData: r}, client: c}
	}
	//lint:ignore SA1019 the loopback of this version of go-fuse asks for it
	top := root.NewNode(root, nil, "", &st)
	root.RootNode = top
	server, err := fs.Mount(mnt, top, &fs.Options{AttrTimeout: &c.Cache, EntryTimeout: &c.Cache, NegativeTimeout: &c.Cache,
		MountOptions: fuse.MountOptions{DirectMount: true, FsName: "faults", MaxBackground: 128, DisableReadDirPlus: !c.Plus}})
	if err != nil {
		return err
	}
	fmt.Println(clientUp)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt, clientHeal)
	for s := range signals {
		if s != clientHeal {
			break
		}
		c.healed.Store(true)
		fmt.Println(clientWell)
	}
	fmt.Println(c.counts[0].Load(), c.counts[1].Load())
	return server.Unmount()
}

// lose reports whether this reply is to be lost, and what is said instead.
func (c *client) lose(errno syscall.Errno, own syscall.Errno) syscall.Errno {
	if errno != 0 || c.healed.Load() || c.Lost == 0 || rand.Float64() >= c.Lost {
		return errno
	}
	c.counts[0].Add(1)
	if c.Own && own != 0 {
		return own
	}
	return syscall.EIO
}

// remote is a file or folder of the server.
type remote struct {
	fs.LoopbackNode
	client *client
}

func (n *remote) path() string { return n.Path(nil) }

// changed forgets what is known of this folder's names: a client sees its own
// changes at once.
func (n *remote) changed() {
	n.client.mu.Lock()
	defer n.client.mu.Unlock()
	delete(n.client.listed, n.path())
}

// overlay adds to a file's size what this client has yet to send.
func (c *client) overlay(path string, a *fuse.Attr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u := c.dirty[path]; u != nil && uint64(u.end) > a.Size {
		a.Size = uint64(u.end)
	}
}

func (n *remote) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	child, errno := n.LoopbackNode.Lookup(ctx, name, out)
	if errno == 0 {
		n.client.overlay(filepath.Join(n.path(), name), &out.Attr)
	}
	return child, errno
}

func (n *remote) Getattr(ctx context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	errno := n.LoopbackNode.Getattr(ctx, nil, out)
	if errno != 0 && f != nil { // removed, and still open
		errno = f.(*open).LoopbackFile.Getattr(ctx, out)
	}
	if errno == 0 {
		n.client.overlay(n.path(), &out.Attr)
	}
	return errno
}

func (n *remote) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if o, ok := f.(*open); ok {
		o.send()
	}
	return n.LoopbackNode.Setattr(ctx, nil, in, out)
}

func (n *remote) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if c := n.client; !c.healed.Load() && rand.Float64() < c.Stale {
		c.counts[1].Add(1)
		return nil, 0, syscall.ESTALE
	}
	// A handle that only writes is opened for reading too: the kernel says where
	// to write, and a part of a page may have to be read.
	f, _, errno := n.LoopbackNode.Open(ctx, flags&^syscall.O_APPEND)
	if errno != 0 {
		return nil, 0, errno
	}
	return &open{f.(*fs.LoopbackFile), n.client, n.path()}, 0, 0
}

func (n *remote) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	inode, f, _, errno := n.LoopbackNode.Create(ctx, name, flags&^syscall.O_APPEND, mode, out)
	n.changed()
	if errno != 0 {
		return nil, nil, 0, errno
	}
	again := syscall.Errno(0) // what a create that is sent twice says
	if flags&syscall.O_EXCL != 0 {
		again = syscall.EEXIST
	}
	if errno := n.client.lose(0, again); errno != 0 {
		f.(*fs.LoopbackFile).Release(ctx)
		return nil, nil, 0, errno
	}
	return inode, &open{f.(*fs.LoopbackFile), n.client, filepath.Join(n.path(), name)}, 0, 0
}

func (n *remote) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	inode, errno := n.LoopbackNode.Mkdir(ctx, name, mode, out)
	n.changed()
	if errno = n.client.lose(errno, syscall.EEXIST); errno != 0 {
		return nil, errno
	}
	return inode, 0
}

func (n *remote) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	inode, errno := n.LoopbackNode.Link(ctx, target, name, out)
	n.changed()
	if errno = n.client.lose(errno, syscall.EEXIST); errno != 0 {
		return nil, errno
	}
	return inode, 0
}

func (n *remote) Rename(ctx context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	errno := n.LoopbackNode.Rename(ctx, name, to, newName, flags)
	n.changed()
	to.(*remote).changed()
	// A rename that is sent twice does not find the old name.
	return n.client.lose(errno, syscall.ENOENT)
}

func (n *remote) Unlink(ctx context.Context, name string) syscall.Errno {
	errno := n.LoopbackNode.Unlink(ctx, name)
	n.changed()
	return n.client.lose(errno, syscall.ENOENT)
}

func (n *remote) Rmdir(ctx context.Context, name string) syscall.Errno {
	errno := n.LoopbackNode.Rmdir(ctx, name)
	n.changed()
	return errno
}

// OpendirHandle lists a folder as this client knows it.
func (n *remote) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	c, path := n.client, n.path()
	c.mu.Lock()
	known := c.listed[path]
	c.mu.Unlock()
	if known == nil || time.Since(known.at) >= c.Cache {
		at := time.Now()
		stream, errno := n.LoopbackNode.Readdir(ctx)
		if errno != 0 {
			return nil, 0, errno
		}
		defer stream.Close()
		known = &listing{at: at}
		for stream.HasNext() {
			e, errno := stream.Next()
			if errno != 0 {
				return nil, 0, errno
			}
			if e.Name == "." || e.Name == ".." {
				continue
			}
			e.Off = uint64(len(known.entries) + 1)
			known.entries = append(known.entries, e)
		}
		c.mu.Lock()
		c.listed[path] = known
		c.mu.Unlock()
	}
	return &reading{listing: known}, 0, 0
}

// reading is an open folder.
type reading struct {
	*listing
	next int
}

func (r *reading) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	if r.next >= len(r.entries) {
		return nil, 0
	}
	r.next++
	return &r.entries[r.next-1], 0
}

func (r *reading) Seekdir(_ context.Context, at uint64) syscall.Errno {
	r.next = int(at)
	return 0
}

func (r *reading) Releasedir(context.Context, uint32) {}

func (r *reading) Fsyncdir(context.Context, uint32) syscall.Errno { return 0 }

// open is an open file.
type open struct {
	*fs.LoopbackFile
	client *client
	path   string
}

func (o *open) Write(ctx context.Context, data []byte, at int64) (uint32, syscall.Errno) {
	c := o.client
	c.mu.Lock()
	u := c.dirty[o.path]
	if u == nil {
		u = &unsent{}
		c.dirty[o.path] = u
	}
	u.parts = append(u.parts, part{at, append([]byte(nil), data...)})
	u.end = max(u.end, at+int64(len(data)))
	c.mu.Unlock()
	if rand.Float64() < 0.3 { // written back for reasons of its own, and in any order
		if errno := o.sendOne(); errno != 0 {
			return 0, errno
		}
	}
	return uint32(len(data)), 0
}

// sendOne sends any one of the writes. What lies before it and is not sent reads
// as zeros on other hosts (nfs(5); the Linux client writes pages in any order).
func (o *open) sendOne() syscall.Errno {
	c := o.client
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.dirty[o.path]
	if u == nil || len(u.parts) == 0 {
		return 0
	}
	i := rand.IntN(len(u.parts))
	p := u.parts[i]
	if _, errno := o.LoopbackFile.Write(context.Background(), p.data, p.at); errno != 0 {
		return errno
	}
	u.parts = append(u.parts[:i:i], u.parts[i+1:]...)
	return 0
}

// send sends what was written to the server.
func (o *open) send() syscall.Errno {
	c := o.client
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.dirty[o.path]
	if u == nil {
		return 0
	}
	for _, p := range u.parts {
		if _, errno := o.LoopbackFile.Write(context.Background(), p.data, p.at); errno != 0 {
			return errno
		}
	}
	delete(c.dirty, o.path)
	return 0
}

func (o *open) Read(ctx context.Context, dest []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	o.client.mu.Lock()
	u := o.client.dirty[o.path]
	o.client.mu.Unlock()
	if u != nil {
		// The handle may be for reading alone; what is unsent goes by its name.
		if f, err := os.OpenFile("/proc/self/fd/"+fmt.Sprint(o.fd()), os.O_WRONLY, 0); err == nil {
			w := &open{fs.NewLoopbackFileFromOS(f), o.client, o.path}
			errno := w.send()
			f.Close()
			if errno != 0 {
				return nil, errno
			}
		}
	}
	return o.LoopbackFile.Read(ctx, dest, at)
}

func (o *open) fd() int {
	fd, _ := o.LoopbackFile.PassthroughFd()
	return fd
}

// PassthroughFd keeps the kernel from going past this client.
func (o *open) PassthroughFd() (int, bool) { return 0, false }

func (o *open) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	if errno := o.send(); errno != 0 {
		return errno
	}
	return o.LoopbackFile.Fsync(ctx, flags)
}

func (o *open) Flush(ctx context.Context) syscall.Errno {
	if errno := o.send(); errno != 0 && errno != syscall.EBADF {
		return errno
	}
	return o.LoopbackFile.Flush(ctx)
}

// mounted is a running client.
type mounted struct {
	t    testing.TB
	path string
	cmd  *exec.Cmd
	errs strings.Builder
	out  *bufio.Reader
}

// mountClient mounts a folder through a client until the test ends.
func mountClient(t testing.TB, dir string, c habits) *mounted {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("no FUSE here: %v", err)
	}
	m := &mounted{t: t, path: t.TempDir()}
	m.cmd = exec.Command(os.Args[0])
	m.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d %v %v %v %v", clientEnv, dir, m.path, c.Cache, c.Plus, c.Lost, c.Own, c.Stale))
	m.cmd.Stderr = &m.errs
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.unmount() })
	m.out = bufio.NewReader(out)
	if line, _ := m.out.ReadString('\n'); strings.TrimSpace(line) != clientUp {
		m.cmd.Wait()
		t.Skipf("cannot mount FUSE here: %s", m.errs.String())
	}
	return m
}

// heal returns when the client loses nothing any more.
func (m *mounted) heal() {
	m.t.Helper()
	if err := m.cmd.Process.Signal(clientHeal); err != nil {
		m.t.Fatal(err)
	}
	if line, err := m.out.ReadString('\n'); strings.TrimSpace(line) != clientWell {
		m.t.Fatalf("the client says %q, %v, want %q", line, err, clientWell)
	}
}

// unmount ends the client and returns how many replies it lost, and how many
// handles were stale.
func (m *mounted) unmount() (lost, stale int) {
	if m.cmd.ProcessState != nil {
		return 0, 0
	}
	m.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		fmt.Fscan(m.out, &lost, &stale)
		m.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		exec.Command("umount", "-l", m.path).Run()
		m.cmd.Process.Kill()
		<-done
	}
	if !m.cmd.ProcessState.Success() { // busy: a child of another test, not yet its own program
		exec.Command("umount", "-l", m.path).Run()
	}
	return lost, stale
}
