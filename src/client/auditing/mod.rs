//! Auditing: the whole log that a party may see, checked; and what shows others that an exchange lied.

pub mod evidence;
