// Reads a log that `haechi audit export` wrote with Go's own tools: golang.org/x/mod/sumdb/note and tlog.
// It verifies the signature, every record through the hash tiles, and growth from each size to the whole.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run tests/vectors/audit/interop.go EXPORT/TENANT
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type folder string

func (f folder) Height() int                                { return 8 }
func (f folder) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

// Go puts the tile height into the path (tile/8/0/000), tlog-tiles does not (tile/0/000).
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(string(f), strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		read = append(read, data)
	}
	return read, nil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func read(f folder, name string) []byte {
	data, err := os.ReadFile(filepath.Join(string(f), name))
	must(err)
	return data
}

func entries(f folder, size int64) [][]byte {
	var found [][]byte
	for number := int64(0); number*256 < size; number++ {
		name := fmt.Sprintf("tile/entries/%03d", number)
		if left := size - number*256; left < 256 {
			name = fmt.Sprintf("%s.p/%d", name, left)
		}
		for data := bytes.NewBuffer(read(f, name)); data.Len() > 0; {
			found = append(found, data.Next(int(binary.BigEndian.Uint16(data.Next(2)))))
		}
	}
	return found
}

func main() {
	f := folder(os.Args[1])
	verifier, err := note.NewVerifier(strings.TrimSpace(string(read(f, "public.key"))))
	must(err)
	signed, err := note.Open(read(f, "checkpoint"), note.VerifierList(verifier))
	must(err)
	lines := strings.Split(signed.Text, "\n")
	var tree tlog.Tree
	_, err = fmt.Sscan(lines[1], &tree.N)
	must(err)
	tree.Hash, err = tlog.ParseHash(lines[2])
	must(err)
	tiles := tlog.TileHashReader(tree, f)
	for index, leaf := range entries(f, tree.N) {
		proof, err := tlog.ProveRecord(tree.N, int64(index), tiles)
		must(err)
		must(tlog.CheckRecord(proof, tree.N, tree.Hash, int64(index), tlog.RecordHash(leaf)))
	}
	for old := int64(1); old <= tree.N; old++ {
		then, err := tlog.TreeHash(old, tiles)
		must(err)
		proof, err := tlog.ProveTree(tree.N, old, tiles)
		must(err)
		must(tlog.CheckTree(proof, tree.N, tree.Hash, old, then))
	}
	fmt.Printf("verified: %s, %d records\n", lines[0], tree.N)
}
