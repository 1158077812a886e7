# Twin primes, one after the other, with a short pause between them. It never ends by itself.
n=5
while :; do
  awk -v from="$n" 'BEGIN {
    for (n = from; ; n += 6) {
      found = 1
      for (d = 2; d * d <= n + 2 && found; d++) if (n % d == 0 || (n + 2) % d == 0) found = 0
      if (found) { print n, n + 2; exit }
    }
  }' >twin
  read -r p q <twin
  echo "$p and $q"
  n=$((p + 6))
  sleep 0.2
done
