// What Go's own transparency log says of ours: golang.org/x/mod/sumdb/note and tlog, with the few lines around them that read the
// C2SP texts.
//
// Run with Debian's packages golang-go and golang-golang-x-mod-dev, which need no network:
//
//	export GO111MODULE=off GOPATH=/usr/share/gocode
//	go run check.go note KEY…  < checkpoint
//	go run check.go proof DIGEST KEY…  < entry.tlog-proof
//	go run check.go consistency OLD KEY…  < request    (C2SP tlog-witness; OLD is a file with the earlier checkpoint)
//
// KEYs are verifier keys (C2SP signed-note), first the log's, then those of cosigners; DIGEST is an entry's, in hex. Every key must
// have signed. It answers in one line, and ends with 1 if anything is wrong.
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// cosigner verifies C2SP tlog-cosignature with Ed25519, of which Go's library knows nothing.
type cosigner struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.id }
func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text)
	return ed25519.Verify(c.key, []byte(message), signature[8:])
}

func verifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) == 3 {
		id, wrongID := strconv.ParseUint(parts[1], 16, 32)
		key, wrongKey := base64.StdEncoding.DecodeString(parts[2])
		if wrongID == nil && wrongKey == nil && len(key) == 1+ed25519.PublicKeySize && key[0] == 4 {
			return cosigner{parts[0], uint32(id), key[1:]}, nil
		}
	}
	return note.NewVerifier(vkey)
}

// open verifies a checkpoint under all keys, of which the first is the log's.
func open(text []byte, vkeys []string) (tree tlog.Tree, err error) {
	var known []note.Verifier
	for _, vkey := range vkeys {
		v, err := verifier(vkey)
		if err != nil {
			return tree, err
		}
		known = append(known, v)
	}
	if len(known) == 0 {
		return tree, errors.New("no key")
	}
	opened, err := note.Open(text, note.VerifierList(known...))
	if err != nil {
		return tree, err
	}
	if len(opened.Sigs) != len(known) {
		return tree, fmt.Errorf("%d of %d keys signed", len(opened.Sigs), len(known))
	}
	// Go's own checkpoints have a fixed origin; otherwise the text is the same.
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	if origin != known[0].Name() {
		return tree, fmt.Errorf("the origin is %q, the log's key is of %q", origin, known[0].Name())
	}
	return tlog.ParseTree([]byte("go.sum database tree\n" + rest))
}

func hashes(lines []string) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		all = append(all, hash)
	}
	return all, nil
}

// number reads "NAME N".
func number(line, name string) (int64, error) {
	if !strings.HasPrefix(line, name+" ") {
		return 0, fmt.Errorf("%q is not %q and a number", line, name)
	}
	return strconv.ParseInt(line[len(name)+1:], 10, 64)
}

func check(arguments []string, input []byte) (string, error) {
	if len(arguments) < 2 {
		return "", errors.New("see the comment at the top of this program")
	}
	what, first, keys := arguments[0], arguments[1], arguments[2:]
	if what == "note" {
		tree, err := open(input, arguments[1:])
		return fmt.Sprintf("a tree of %d leaves with root %v", tree.N, tree.Hash), err
	}
	head, checkpoint, found := bytes.Cut(input, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found {
		return "", errors.New("no empty line")
	}
	tree, err := open(checkpoint, keys)
	if err != nil {
		return "", err
	}
	switch what {
	case "proof":
		digest, err := hex.DecodeString(first)
		if err != nil || len(digest) != 32 || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
			return "", errors.New("no digest, or no proof")
		}
		index, err := number(lines[1], "index")
		if err != nil {
			return "", err
		}
		path, err := hashes(lines[2:])
		if err != nil {
			return "", err
		}
		err = tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(digest))
		return fmt.Sprintf("the entry is number %d of %d", index, tree.N), err
	case "consistency":
		text, err := os.ReadFile(first)
		if err != nil {
			return "", err
		}
		old, err := open(text, keys[:1])
		if err != nil {
			return "", err
		}
		size, err := number(lines[0], "old")
		if err != nil || size != old.N {
			return "", fmt.Errorf("the proof is not from %d on", old.N)
		}
		path, err := hashes(lines[1:])
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d leaves continue %d", tree.N, old.N), tlog.CheckTree(path, tree.N, tree.Hash, old.N, old.Hash)
	}
	return "", fmt.Errorf("%q cannot be checked", what)
}

func main() {
	input, err := io.ReadAll(os.Stdin)
	said := ""
	if err == nil {
		said, err = check(os.Args[1:], input)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	fmt.Println(said)
}
