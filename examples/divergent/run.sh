# A fixed-point iteration that jumps about for ever, as a badly started self-consistent field does.
awk 'BEGIN {
  x = 0.5
  for (cycle = 1; cycle <= 1500000; cycle++) {
    old = x
    x = 3.9 * x * (1 - x)
    if (cycle % 500000 == 0) printf "cycle %d: change %.6f\n", cycle, x - old
    if (x - old < 1e-9 && old - x < 1e-9) exit 0
  }
  print "no convergence after " cycle - 1 " cycles"
  exit 3
}'
