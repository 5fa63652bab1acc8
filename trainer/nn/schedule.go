package nn

import "math"

// schedules are the known courses of the learning rate: `training.schedule`.
// Each returns the factor on `training.lr` for an update, from 1, of total.
var schedules = map[ScheduleName]func(update, total int64) float64{
	"constant": func(int64, int64) float64 { return 1 },
	"cosine":   cosine,
}

// ScheduleName names an entry of the table of schedules.
type ScheduleName string

// Choices lists the known schedules.
func (ScheduleName) Choices() []string { return sortedNames(schedules) }

// cosine falls from 1 to nearly 0 along half a cosine (Loshchilov and Hutter
// 2017, arXiv:1608.03983, eq. 5, without restarts).
func cosine(update, total int64) float64 {
	return (1 + math.Cos(math.Pi*float64(update-1)/float64(total))) / 2
}
