# How many primes there are below LIMIT, by the sieve of Eratosthenes.
awk -v limit="${LIMIT:-500000}" 'BEGIN {
  for (i = 2; i * i < limit; i++)
    if (!(i in composite)) for (j = i * i; j < limit; j += i) composite[j]
  for (i = 2; i < limit; i++) if (!(i in composite)) count++
  printf "primes = %d\n", count
}'
