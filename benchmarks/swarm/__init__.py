"""A process that is many real WebRTC listeners, light enough to share two cores with what it measures.

Each has a UDP socket, an offer, ICE, DTLS and SRTP keys of its own. Once its first packet has been decrypted
a kernel filter drops and counts its RTP; the listeners of a sample have no filter and decrypt everything.
"""
