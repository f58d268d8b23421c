//! Real containers on a real engine, each test on a private machine of its own.

mod fixture;
