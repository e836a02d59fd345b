package broker

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// deniedError says which operation the server does not allow this client.
type deniedError struct{ operation string }

func (e *deniedError) Error() string {
	if slices.ContainsFunc(declaring(), func(o string) bool { return strings.HasPrefix(e.operation, publishing(o)) }) {
		return "NATS does not allow this client to declare the streams (" + e.operation + `): run "enricher provision" as the user provisioner, and start with --no-provision`
	}
	return "NATS does not allow this client to " + e.operation + ": give its user the permission"
}

// Denial returns what the server has not allowed its client to do, in a Conn's words, if err, which the client reported out of band, says
// that; else nil.
func Denial(err error) error {
	if operation, _, ok := deniedOperation(err); ok {
		return &deniedError{operation}
	}
	return nil
}

// declaring is what only whoever declares streams asks for.
func declaring() []string {
	return []string{
		"$JS.API.INFO", "$JS.API.CONSUMER.CREATE." + queueStream,
		"$JS.API.STREAM.CREATE." + rawStream, "$JS.API.STREAM.CREATE." + queueStream, "$JS.API.STREAM.CREATE." + enrichedStream, "$JS.API.STREAM.CREATE." + deadStream,
	}
}

// denials is what the server has refused to let us do. It tells so out of band, on the connection and not in
// answer to the request, which would only time out. A denial stands until the
// same operation succeeds, or the connection is made again, perhaps with other permissions.
type denials struct {
	mu       sync.Mutex
	standing map[string]struct{}
	waiting  map[string]map[*context.CancelCauseFunc]struct{} // on an operation, or a subject
}

// add records a denial, and ends what waits for an answer to that operation. It returns whether the denial is new:
// the server tells of it for each attempt.
func (d *denials) add(operation string) (isNew bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, stood := d.standing[operation]
	if d.standing == nil {
		d.standing = make(map[string]struct{})
	}
	d.standing[operation] = struct{}{}
	d.end(operation, operation)
	return !stood
}

// addOn ends what waits for an answer on that very subject.
func (d *denials) addOn(subject, operation string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end(subject, operation)
}

func (d *denials) end(waiting, operation string) {
	for cancel := range d.waiting[waiting] {
		(*cancel)(&deniedError{operation})
	}
}

// succeeded clears the denial of operation.
func (d *denials) succeeded(operation string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.standing, operation)
}

// stands reports whether operation was denied and has not succeeded since.
func (d *denials) stands(operation string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.standing[operation]
	return ok
}

func (d *denials) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.standing)
}

// err names every standing denial.
func (d *denials) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	errs := make([]error, 0, len(d.standing))
	for _, operation := range slices.Sorted(maps.Keys(d.standing)) {
		errs = append(errs, &deniedError{operation})
	}
	return errors.Join(errs...)
}

// do calls f with a context that ends when operation is denied, and records how it went.
func (d *denials) do(ctx context.Context, operation string, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d.wait(operation, &cancel)
	err := f(ctx)
	d.forget(operation, &cancel)

	if err == nil {
		d.succeeded(operation)
		return nil
	}
	return orDenied(ctx, err)
}

// orDenied returns err, or the denial that ended ctx.
func orDenied(ctx context.Context, err error) error {
	var denied *deniedError
	if errors.As(context.Cause(ctx), &denied) {
		return denied
	}
	return err
}

func (d *denials) wait(on string, cancel *context.CancelCauseFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting == nil {
		d.waiting = make(map[string]map[*context.CancelCauseFunc]struct{})
	}
	if d.waiting[on] == nil {
		d.waiting[on] = make(map[*context.CancelCauseFunc]struct{})
	}
	d.waiting[on][cancel] = struct{}{}
}

func (d *denials) forget(on string, cancel *context.CancelCauseFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.waiting[on], cancel)
}

// permissionText is the only form in which the protocol tells what was denied.
var permissionText = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]+)"`)

// deniedOperation reads the operation from an error of the client's error handler, and the subject that could not be published on, if it was that:
// others of the same operation may be allowed.
func deniedOperation(err error) (operation, subject string, ok bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return "", "", false
	}
	m := permissionText.FindStringSubmatch(err.Error())
	if m == nil {
		return "use a subject", "", true
	}
	if strings.EqualFold(m[1], "subscription") {
		return subscribing(m[2]), "", true
	}
	return publishing(m[2]), m[2], true
}

func publishing(subject string) string  { return "publish to " + family(subject) }
func subscribing(subject string) string { return "subscribe to " + family(subject) }

// family is the part of a subject that says what is done, without the identifiers in the rest.
func family(subject string) string {
	keep := 2
	switch {
	case strings.HasPrefix(subject, "$JS.API.CONSUMER.MSG."), strings.HasPrefix(subject, "$JS.API.STREAM.MSG."),
		strings.HasPrefix(subject, "$JS.API.CONSUMER.DURABLE."):
		keep = 6
	case strings.HasPrefix(subject, "$JS.API.INFO"):
		keep = 3
	case strings.HasPrefix(subject, "$JS.API."):
		keep = 5
	case strings.HasPrefix(subject, "_INBOX"):
		keep = 1
	}
	for i := range len(subject) {
		if subject[i] != '.' {
			continue
		}
		if keep--; keep == 0 {
			return subject[:i] + ".>"
		}
	}
	return subject
}
