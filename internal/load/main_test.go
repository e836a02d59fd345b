package load

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/rollcall-events/rollcall/internal/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(broker.MayOutlive)) }
