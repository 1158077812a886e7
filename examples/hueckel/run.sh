# The lowest orbital of a linear polyene in Hückel's model, in units of beta: the largest eigenvalue of the chain's
# adjacency matrix, by power iteration with a shift, until it changes no more.
awk -v n="${ATOMS:-17}" 'BEGIN {
  for (i = 1; i <= n; i++) v[i] = 1
  for (round = 1; round <= 100000; round++) {
    norm = 0
    for (i = 1; i <= n; i++) {
      w[i] = 2 * v[i] + (i > 1 ? v[i - 1] : 0) + (i < n ? v[i + 1] : 0)
      norm += w[i] * w[i]
    }
    norm = sqrt(norm)
    dot = 0
    for (i = 1; i <= n; i++) {
      w[i] /= norm
      v[i] = w[i]
    }
    for (i = 1; i <= n; i++) dot += v[i] * ((i > 1 ? v[i - 1] : 0) + (i < n ? v[i + 1] : 0))
    if (round % 500 == 0) printf "round %d: %.12f\n", round, dot
    change = dot - last
    last = dot
    if (round > 2000 && change < 1e-15 && change > -1e-15) break
  }
  printf "energy = %.12f\n", dot
}'
