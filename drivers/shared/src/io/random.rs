//! Randomness of the operating system.

use std::io;

/// Returns a seed for a machine's random number generator.
pub(crate) fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

/// Returns random bytes for an id, which is no secret. A thread asks the operating system for many at a time.
#[cfg(any(feature = "cap", feature = "caracal"))]
pub(crate) fn id<const N: usize>() -> io::Result<[u8; N]> {
    use std::cell::RefCell;

    thread_local! {
        static UNUSED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    const AT_A_TIME: usize = 4_096;

    let taken = UNUSED.try_with(|unused| {
        let mut unused = unused.borrow_mut();
        if unused.len() < N {
            let mut more = vec![0; AT_A_TIME.max(N)];
            getrandom::fill(&mut more).map_err(io::Error::other)?;
            *unused = more;
        }
        let mut id = [0; N];
        id.copy_from_slice(&unused[unused.len() - N..]);
        let left = unused.len() - N;
        unused.truncate(left);
        Ok(id)
    });
    // While the thread ends, the variable may be gone.
    taken.unwrap_or_else(|_| {
        let mut id = [0; N];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        Ok(id)
    })
}

/// Returns a random number from 0 to 1, or one half if the system has no randomness to give.
pub(crate) fn fraction() -> f64 {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(random) / f64::from(u32::MAX)
}

/// Returns 128 random bits in hexadecimal digits, for a name that is no secret.
#[cfg(feature = "cap")]
pub(crate) fn name() -> io::Result<String> {
    Ok(format!("{:032x}", u128::from_be_bytes(id()?)))
}
