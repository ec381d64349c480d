/**
 * Linux error numbers (asm-generic/errno-base.h, errno.h and the kernel-internal 5xx range) and the ERR_PTR convention.
 *
 * Kernel functions return negative numbers of this table; functions that return an object give `ERR_PTR(-errno)`, here
 * simply the negative number in place of the object, or `null` where Linux gives NULL.
 */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  ERANGE: 34,
  EDEADLOCK: 35,
  ENOSYS: 38,
  ENOMSG: 42,
  EOVERFLOW: 75,
  EBADFD: 77,
  EUSERS: 87,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ETIMEDOUT: 110,
  EINPROGRESS: 115,
  ECANCELED: 125,
  ENOTSUPP: 524,
} as const;

export type ErrnoName = keyof typeof ERRNO;

/** One sentence a code, in the words a log reader expects. */
export const ERRNO_TITLES: Readonly<Record<ErrnoName, string>> = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file, device or entry',
  EINTR: 'Interrupted',
  EIO: 'Input or output error',
  ENXIO: 'No such device or address',
  E2BIG: 'Argument has fields that this kernel does not know',
  EBADF: 'Not an open file descriptor',
  ECHILD: 'No child process',
  EAGAIN: 'Try again',
  ENOMEM: 'Out of memory, or over the locked-memory limit',
  EACCES: 'Access denied',
  EFAULT: 'Bad address',
  EBUSY: 'Device or resource busy',
  EEXIST: 'Already exists',
  EXDEV: 'Crosses devices',
  ENODEV: 'No such device',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  EINVAL: 'Invalid argument',
  ENFILE: 'Too many open files in the system',
  EMFILE: 'Too many open files',
  ENOTTY: 'The file does not know this request',
  EFBIG: 'Too large',
  ENOSPC: 'No space or no entry left',
  ESPIPE: 'Illegal seek or length',
  EROFS: 'Read-only',
  ERANGE: 'Out of range',
  EDEADLOCK: 'Would never finish',
  ENOSYS: 'Not implemented',
  ENOMSG: 'No message of the desired type',
  EOVERFLOW: 'Value too large',
  EBADFD: 'File descriptor in a bad state',
  EUSERS: 'Too many users',
  EMSGSIZE: 'Buffer too small for the answer',
  EOPNOTSUPP: 'Operation not supported',
  EADDRINUSE: 'Address already in use',
  ETIMEDOUT: 'Timed out',
  EINPROGRESS: 'Still in progress',
  ECANCELED: 'Canceled',
  ENOTSUPP: 'Not supported (kernel-internal code)',
};

export const {
  EPERM,
  ENOENT,
  EINTR,
  EIO,
  ENXIO,
  E2BIG,
  EBADF,
  EAGAIN,
  ENOMEM,
  EACCES,
  EFAULT,
  EBUSY,
  EEXIST,
  ENODEV,
  ENOTDIR,
  EISDIR,
  EINVAL,
  EMFILE,
  ENOTTY,
  ENOSPC,
  ESPIPE,
  ERANGE,
  EDEADLOCK,
  ENOSYS,
  ENOMSG,
  EOVERFLOW,
  EBADFD,
  EUSERS,
  EMSGSIZE,
  EOPNOTSUPP,
  EADDRINUSE,
  ETIMEDOUT,
  EINPROGRESS,
  ENOTSUPP,
} = ERRNO;

/** Largest error number that an error pointer can carry (linux/err.h). */
export const MAX_ERRNO = 4095;

const names = new Map<number, ErrnoName>(
  Object.entries(ERRNO).map(([name, value]) => [value, name as ErrnoName]),
);

/** True for what ERR_PTR() would have made: a negative error number in place of an object. */
export function IS_ERR(value: unknown): value is number {
  return typeof value === 'number' && value < 0 && value >= -MAX_ERRNO;
}

/** `EINVAL` for 22 and for -22; undefined for a number that is no error of the table. */
export function errnoName(value: number): ErrnoName | undefined {
  return names.get(Math.abs(value));
}

/** `-22 (EINVAL)`, `0`, `-4000`. */
export function formatReturn(value: number): string {
  const name = value < 0 ? errnoName(value) : undefined;
  return name === undefined ? value.toString() : `${value} (${name})`;
}
