package nn

import "math"

// moment is a point of the training, as schedules see it.
type moment struct {
	update, total int64 // the update to come, from 1, of how many
	epoch         int   // epochs finished
	reductions    int   // how often the validation loss stood still; see Training.LRPatience
}

// schedules are the known courses of the learning rate: `training.schedule`.
// Each returns the factor on `training.lr`.
var schedules = map[ScheduleName]func(t *Training, at moment) float64{
	"constant": func(*Training, moment) float64 { return 1 },
	"cosine":   cosine,
	"step":     func(t *Training, at moment) float64 { return math.Pow(t.LRFactor, float64(at.epoch/t.LREvery)) },
	"plateau":  func(t *Training, at moment) float64 { return math.Pow(t.LRFactor, float64(at.reductions)) },
}

// ScheduleName names an entry of the table of schedules.
type ScheduleName string

// Choices lists the known schedules.
func (ScheduleName) Choices() []string { return sortedNames(schedules) }

// cosine falls from 1 to nearly 0 along half a cosine (Loshchilov and Hutter
// 2017, arXiv:1608.03983, eq. 5, without restarts).
func cosine(_ *Training, at moment) float64 {
	return (1 + math.Cos(math.Pi*float64(at.update-1)/float64(at.total))) / 2
}

// patience counts the epochs since the validation loss last fell by more than
// a difference.
type patience struct {
	Best   float64 `json:"best"`
	Any    bool    `json:"any"` // Best is a loss
	Waited int     `json:"waited"`
}

// see takes the loss of an epoch.
func (p *patience) see(loss, difference float64) {
	if !p.Any || loss < p.Best-difference {
		p.Best, p.Any, p.Waited = loss, true, 0
		return
	}
	p.Waited++
}
