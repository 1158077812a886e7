/// How a machine ends itself.
package enum PowerOff {
  /// POSIX shell, for root. On images without an init system that listens, the kernel is asked.
  package static let command =
    "shutdown -h now || poweroff || halt -p || { echo 1 >/proc/sys/kernel/sysrq; echo o >/proc/sysrq-trigger; }"
}
