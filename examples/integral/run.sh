# The integral of exp(-x*x) from 0 to 1 by Simpson's rule.
awk -v n="${STEPS:-4000000}" 'BEGIN {
  h = 1 / n
  for (i = 0; i <= n; i++) {
    x = i * h
    sum += (i == 0 || i == n ? 1 : i % 2 ? 4 : 2) * exp(-x * x)
    if (i && i % 1000000 == 0) printf "at x = %.2f: %.9f\n", x, sum * h / 3
  }
  printf "integral = %.12f\n", sum * h / 3
}'
