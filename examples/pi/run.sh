# pi by Leibniz' series, 4 - 4/3 + 4/5 - ..., whose partial sums are averaged (Euler): six digits become twelve.
awk -v terms="${TERMS:-8000000}" 'BEGIN {
  keep = 8
  for (k = 0; k < terms; k++) {
    sum += (k % 2 ? -4 : 4) / (2 * k + 1)
    if (k >= terms - keep) partial[k - terms + keep] = sum
    if (k && k % 2000000 == 0) printf "%d terms: %.9f\n", k, sum
  }
  for (rounds = keep - 1; rounds > 0; rounds--)
    for (i = 0; i < rounds; i++) partial[i] = (partial[i] + partial[i + 1]) / 2
  printf "pi = %.11f\n", partial[0]
}'
