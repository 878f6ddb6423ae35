#!/usr/bin/env python3
import socket

socket.getaddrinfo("bid.ads.example", 443)
