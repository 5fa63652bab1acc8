package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// A file server that is a network away: a folder on another path, with every
// call delayed that an NFS client would send to its server, and counted. It has
// an NFS client's habits: attributes and names, missing ones too, are cached for
// a minute, data written goes home when a file is closed or synced, folders are
// listed anew. One habit must be made up for: FUSE looks for a name before it
// makes a file or folder of that name, an NFS client makes it at once (Linux,
// fs/nfs/dir.c, nfs_is_exclusive_create and atomic open). So a search for what is
// missing is counted only when it is not followed by making it. It is delayed
// all the same.

type operation int

const (
	lookup operation = iota
	getattr
	setattr
	open
	read
	readdir
	create
	write
	mkdir
	rename
	link
	unlink
	closed
	fsync
	operations
)

var names = [operations]string{"lookup", "getattr", "setattr", "open", "read", "readdir", "create", "write", "mkdir", "rename", "link", "unlink", "close", "fsync"}

// far is the way to the server.
type far struct {
	rtt    time.Duration
	counts [operations]atomic.Int64

	mu     sync.Mutex
	missed map[string]bool // paths looked for in vain and not made yet
}

// miss notes that a path was looked for in vain.
func (f *far) miss(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[lookup].Add(-1)
	if f.missed[path] {
		f.counts[lookup].Add(1) // the time before was no part of making it
	}
	f.missed[path] = true
}

// made notes that a path was made right after it was missed.
func (f *far) made(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.missed, path)
}

func (f *far) trip(op operation) {
	f.counts[op].Add(1)
	time.Sleep(f.rtt)
}

// report prints "total name=count ..." and begins anew.
func (f *far) report() {
	f.mu.Lock()
	f.counts[lookup].Add(int64(len(f.missed)))
	clear(f.missed)
	f.mu.Unlock()
	var total int64
	var parts []string
	for op := range operations {
		if n := f.counts[op].Swap(0); n > 0 {
			total += n
			parts = append(parts, fmt.Sprintf("%s=%d", names[op], n))
		}
	}
	slices.Sort(parts)
	fmt.Println(total, strings.Join(parts, " "))
}

type node struct {
	fs.LoopbackNode
	far *far
}

var (
	_ fs.NodeLookuper       = (*node)(nil)
	_ fs.NodeGetattrer      = (*node)(nil)
	_ fs.NodeSetattrer      = (*node)(nil)
	_ fs.NodeOpener         = (*node)(nil)
	_ fs.NodeOpendirHandler = (*node)(nil)
	_ fs.NodeCreater        = (*node)(nil)
	_ fs.NodeMkdirer        = (*node)(nil)
	_ fs.NodeRenamer        = (*node)(nil)
	_ fs.NodeLinker         = (*node)(nil)
	_ fs.NodeUnlinker       = (*node)(nil)
)

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.far.trip(lookup)
	child, err := n.LoopbackNode.Lookup(ctx, name, out)
	if err == syscall.ENOENT {
		n.far.miss(n.child(name))
	}
	return child, err
}

// child is the path of a name in this folder.
func (n *node) child(name string) string { return n.Path(nil) + "/" + name }

func (n *node) Getattr(ctx context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.far.trip(getattr)
	if h, ok := f.(*handle); ok {
		return h.LoopbackFile.Getattr(ctx, out)
	}
	return n.LoopbackNode.Getattr(ctx, nil, out)
}

func (n *node) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.far.trip(setattr)
	return n.LoopbackNode.Setattr(ctx, nil, in, out)
}

func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	n.far.trip(open)
	f, _, err := n.LoopbackNode.Open(ctx, flags&^syscall.O_APPEND) // the kernel says where to write
	if err != 0 {
		return nil, 0, err
	}
	return &handle{LoopbackFile: f.(*fs.LoopbackFile), far: n.far}, 0, 0
}

// OpendirHandle costs no trip: names and attributes of folders on the way are
// cached, and only a listing asks the server.
func (n *node) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	f, _, err := n.LoopbackNode.OpendirHandle(ctx, flags)
	if err != 0 {
		return nil, 0, err
	}
	return &folder{FileHandle: f, far: n.far}, 0, 0
}

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	n.far.trip(create)
	n.far.made(n.child(name))
	inode, f, _, err := n.LoopbackNode.Create(ctx, name, flags&^syscall.O_APPEND, mode, out)
	if err != 0 {
		return nil, nil, 0, err
	}
	return inode, &handle{LoopbackFile: f.(*fs.LoopbackFile), far: n.far}, 0, 0
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.far.trip(mkdir)
	n.far.made(n.child(name))
	return n.LoopbackNode.Mkdir(ctx, name, mode, out)
}

func (n *node) Rename(ctx context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	n.far.trip(rename)
	return n.LoopbackNode.Rename(ctx, name, to, newName, flags)
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.far.trip(link)
	return n.LoopbackNode.Link(ctx, target, name, out)
}

func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	n.far.trip(unlink)
	return n.LoopbackNode.Unlink(ctx, name)
}

// handle is an open file. What is written waits in the client's cache until the
// file is synced or closed: one more trip then, however many writes it was.
type handle struct {
	*fs.LoopbackFile
	far   *far
	dirty atomic.Bool
}

func (h *handle) Read(ctx context.Context, dest []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	h.far.trip(read)
	return h.LoopbackFile.Read(ctx, dest, at)
}

func (h *handle) Write(ctx context.Context, data []byte, at int64) (uint32, syscall.Errno) {
	h.dirty.Store(true)
	return h.LoopbackFile.Write(ctx, data, at)
}

func (h *handle) home() {
	if h.dirty.Swap(false) {
		h.far.trip(write)
	}
}

func (h *handle) Fsync(ctx context.Context, flags uint32) syscall.Errno {
	h.home()
	h.far.trip(fsync)
	return h.LoopbackFile.Fsync(ctx, flags)
}

// Flush is close() as the program sees it; a child's copy of a descriptor that
// has written nothing costs no trip.
func (h *handle) Flush(ctx context.Context) syscall.Errno {
	h.home()
	return h.LoopbackFile.Flush(ctx)
}

func (h *handle) Release(ctx context.Context) syscall.Errno {
	h.home()
	h.far.trip(closed)
	return h.LoopbackFile.Release(ctx)
}

// folder is an open folder.
type folder struct {
	fs.FileHandle
	far    *far
	listed bool
}

var (
	_ fs.FileReaddirenter = (*folder)(nil)
	_ fs.FileSeekdirer    = (*folder)(nil)
	_ fs.FileReleasedirer = (*folder)(nil)
	_ fs.FileFsyncdirer   = (*folder)(nil)
)

func (f *folder) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if !f.listed {
		f.listed = true
		f.far.trip(readdir)
	}
	return f.FileHandle.(fs.FileReaddirenter).Readdirent(ctx)
}

func (f *folder) Seekdir(ctx context.Context, at uint64) syscall.Errno {
	return f.FileHandle.(fs.FileSeekdirer).Seekdir(ctx, at)
}

func (f *folder) Releasedir(ctx context.Context, flags uint32) {
	f.FileHandle.(fs.FileReleasedirer).Releasedir(ctx, flags)
}

func (f *folder) Fsyncdir(ctx context.Context, flags uint32) syscall.Errno {
	f.far.trip(fsync)
	return f.FileHandle.(fs.FileFsyncdirer).Fsyncdir(ctx, flags)
}

// mount serves until SIGTERM; SIGUSR1 prints the counts and begins anew.
func mount(rtt time.Duration, dir, mnt string) error {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return err
	}
	way := &far{rtt: rtt, missed: map[string]bool{}}
	root := &fs.LoopbackRoot{Path: dir, Dev: uint64(st.Dev)}
	//lint:ignore SA1019 the loopback of this version of go-fuse asks for it
	root.NewNode = func(r *fs.LoopbackRoot, _ *fs.Inode, _ string, _ *syscall.Stat_t) fs.InodeEmbedder {
		return &node{LoopbackNode: fs.LoopbackNode{RootData: r}, far: way}
	}
	//lint:ignore SA1019 the loopback of this version of go-fuse asks for it
	top := root.NewNode(root, nil, "", &st)
	root.RootNode = top
	cache := time.Minute
	// go-fuse answers READDIRPLUS by looking up every entry, a call each; an NFS
	// server answers it in one. Without it a listing is a listing, and what is
	// opened is looked up.
	server, err := fs.Mount(mnt, top, &fs.Options{AttrTimeout: &cache, EntryTimeout: &cache, NegativeTimeout: &cache,
		MountOptions: fuse.MountOptions{DirectMount: true, FsName: "far", MaxBackground: 128, DisableReadDirPlus: true}})
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGUSR1)
	for s := range signals {
		way.report()
		if s != syscall.SIGUSR1 {
			break
		}
	}
	return server.Unmount()
}
