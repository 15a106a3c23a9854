//! Files in memory.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use message::wire::FileIdentity;

use crate::content::{Content, Spot, Stat};

#[derive(Debug)]
pub struct Inode {
    pub identity: FileIdentity,
    pub data: Vec<u8>,
    pub links: u64,
    pub mtime: i64,
    pub ctime: i64,
}

#[derive(Clone)]
pub struct Memory(pub Rc<RefCell<Inode>>);

impl Content for Memory {
    fn stat(&self) -> io::Result<Stat> {
        let inode = self.0.borrow();
        Ok(Stat { size: inode.data.len() as u64, mtime: inode.mtime, ctime: inode.ctime, links: inode.links })
    }
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let inode = self.0.borrow();
        let from = inode.data.get(at as usize..).unwrap_or_default();
        let have = from.len().min(buf.len());
        buf[..have].copy_from_slice(&from[..have]);
        Ok(have)
    }
    fn data_from(&self, at: u64) -> io::Result<u64> {
        Ok(at)
    }
}

pub fn spot(identity: FileIdentity) -> Spot {
    Spot { device: identity.device, inode: identity.inode, birth: identity.birth }
}
