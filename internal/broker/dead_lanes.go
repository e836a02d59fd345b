package broker

import (
	"context"
	"errors"
	"iter"
	"sync"

	"golang.org/x/sync/errgroup"
)

// How much is held and done at once: some letters are large, and thousands may be asked for.
const (
	laneLetters = 512
	laneBytes   = 32 << 20
	lanesAtOnce = 32
)

// eachInOrder calls do for each of the letters: those of a key in order, those of several keys side by side. done is told of each letter that do is
// through with, one at a time. The first error ends it, except a *NotReplayableError: done is told that one, and the others go on.
func eachInOrder(ctx context.Context, letters iter.Seq2[Buried, error],
	do func(ctx context.Context, b Buried) error, done func(Buried, error),
) error {
	var mu sync.Mutex
	each := func(ctx context.Context, b Buried) error {
		err := do(ctx, b)
		if _, permanent := errors.AsType[*NotReplayableError](err); err != nil && !permanent {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		done(b, err)
		return nil
	}
	for lanes, err := range laned(letters) {
		if err != nil {
			return err
		}
		if err := runLanes(ctx, lanes, each); err != nil {
			return err
		}
	}
	return nil
}

func runLanes(ctx context.Context, lanes [][]Buried, do func(ctx context.Context, b Buried) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lanesAtOnce)
	for _, lane := range lanes {
		group.Go(func() error {
			for _, b := range lane {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := do(ctx, b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// laned cuts letters into parts that fit into memory, each sorted into the lanes of its keys.
func laned(letters iter.Seq2[Buried, error]) iter.Seq2[[][]Buried, error] {
	return func(yield func([][]Buried, error) bool) {
		var part letterLanes
		for b, err := range letters {
			if err != nil {
				yield(nil, err)
				return
			}
			if part.add(b); !part.full() {
				continue
			}
			if !yield(part.byKey, nil) {
				return
			}
			part = letterLanes{}
		}
		if len(part.byKey) > 0 {
			yield(part.byKey, nil)
		}
	}
}

type letterLanes struct {
	byKey          [][]Buried
	index          map[string]int // of a key in byKey
	letters, bytes int
}

func (l *letterLanes) add(b Buried) {
	if l.index == nil {
		l.index = make(map[string]int)
	}
	i, ok := l.index[b.Key]
	if !ok {
		i = len(l.byKey)
		l.index[b.Key] = i
		l.byKey = append(l.byKey, nil)
	}
	l.byKey[i] = append(l.byKey[i], b)
	l.letters++
	l.bytes += b.Size
}

func (l *letterLanes) full() bool { return l.letters >= laneLetters || l.bytes >= laneBytes }
